"""The host's part of a detector: what turns the NPU's feature maps into the graph's outputs."""

from __future__ import annotations

import onnx
from onnx import helper

from devices.convert.tflite.network import Network


def host_part(model: onnx.ModelProto, network: Network) -> onnx.ModelProto | None:
    """The graph from ``network.outputs`` (float32, NCHW) to the outputs of ``model``.

    None where the NPU computes the graph's outputs itself.
    """
    graph = model.graph
    writer = {out: i for i, node in enumerate(graph.node) for out in node.output}
    maps = set(network.outputs)
    needed: set[int] = set()
    waiting = [value.name for value in graph.output]
    while waiting:
        name = waiting.pop()
        index = writer.get(name)
        if name in maps or index is None or index in needed:
            continue
        needed.add(index)
        waiting.extend(graph.node[index].input)
    if not needed:
        return None
    nodes = [graph.node[i] for i in sorted(needed)]
    read = {name for node in nodes for name in node.input}
    part = helper.make_graph(
        nodes,
        "host",
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, network.shapes[name])
            for name in network.outputs
        ],
        list(graph.output),
        [tensor for tensor in graph.initializer if tensor.name in read],
    )
    return helper.make_model(
        part, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
