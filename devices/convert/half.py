"""A detector in half precision: the network in float16, the decode of boxes in float32."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from devices.decode import decode_nodes
from devices.graph_basics import name_nodes


def halve(source: Path, out: Path) -> dict[str, Any]:
    """Writes the fp16 form of the fp32 ONNX ``source`` to ``out`` and says how it was made.

    Image and outputs stay float32. So does the head's decode: float16 knows no coordinate above
    512 pixels more exactly than half a pixel.
    """
    model = onnx.load(source)
    name_nodes(model.graph)
    decode = decode_nodes(model.graph)
    # It warns of every weight below the smallest float16, which is rounded to that.
    log = logging.getLogger("onnxruntime.transformers.float16")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        halved = convert_float_to_float16(model, keep_io_types=True, node_block_list=sorted(decode))
    finally:
        log.setLevel(before)
    _drop_round_trips(halved.graph)
    OnnxModel(halved).topological_sort()  # the converter appends its casts
    onnx.save(halved, out)
    return {
        "precision": "float16 weights and feature maps, float32 decode",
        "float_decode_nodes": len(decode),
    }


def _drop_round_trips(graph: onnx.GraphProto) -> None:
    """Joins float32 nodes directly where the converter goes from one to the next by float16."""
    writer = {out: node for node in graph.node for out in node.output}
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        back = writer.get(node.input[0]) if _casts(node, onnx.TensorProto.FLOAT) else None
        if back is None or not _casts(back, onnx.TensorProto.FLOAT16):
            continue
        source, end = back.input[0], node.output[0]
        if end in outputs:  # an output keeps its name
            source, end = end, source
            writer[end].output[list(writer[end].output).index(end)] = source
        for reader in graph.node:
            if reader is not node:
                reader.input[:] = [source if name == end else name for name in reader.input]
    while unread := _unread(graph):
        for node in unread:
            graph.node.remove(node)


def _casts(node: onnx.NodeProto, to: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == to


def _unread(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Casts whose result nobody reads, or that another node writes, too."""
    read = {name for node in graph.node for name in node.input}
    read |= {value.name for value in graph.output}
    written = [out for node in graph.node for out in node.output]
    return [
        node
        for node in graph.node
        if node.op_type == "Cast"
        and (node.output[0] not in read or written.count(node.output[0]) > 1)
    ]
