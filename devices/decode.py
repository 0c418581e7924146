"""The part of a detector's graph that turns raw head outputs into boxes and scores."""

from __future__ import annotations

import onnx

from devices.graph_basics import label

_BRANCH_ENDS = ("Conv", "ConvTranspose", "Gemm")
_SHUFFLES = ("Transpose", "Reshape", "Identity")


def decode_nodes(graph: onnx.GraphProto) -> set[str]:
    """The nodes after the last convolution of every head branch, by name (see ``graph.label``).

    A YOLO head ends in convolutions whose outputs are reshaped, concatenated and turned into boxes
    and scores. All of that is decode; the fixed 1x1 convolution that takes the expectation of the
    box distribution (DFL: a Softmax feeds it) is part of it and not a branch's end. Found from the
    graph's outputs backwards, so names do not matter.
    """
    writer = {out: node for node in graph.node for out in node.output}
    seen: set[str] = set()
    waiting = [value.name for value in graph.output]
    decode: set[str] = set()
    while waiting:
        tensor = waiting.pop()
        node = writer.get(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if node.op_type in _BRANCH_ENDS and not _is_dfl(node, writer):
            continue
        decode.add(label(node))
        waiting.extend(name for name in node.input if name)
    return decode


def _is_dfl(node: onnx.NodeProto, writer: dict[str, onnx.NodeProto]) -> bool:
    before = writer.get(node.input[0])
    while before is not None and before.op_type in _SHUFFLES:
        before = writer.get(before.input[0])
    return before is not None and before.op_type == "Softmax"
