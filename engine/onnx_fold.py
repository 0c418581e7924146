"""Constants of an ONNX graph, computed once instead of at every inference."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from devices.folding import evaluate, fixed_shapes, initializers, opsets

__all__ = ["fold"]

MAX_ELEMENTS = 2**20


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every node that depends on constants or fixed shapes only is an initializer.

    The other nodes keep their names and order. Shapes must be fixed, as in our exports.
    """
    while (
        True
    ):  # what is constant now may settle a shape on which more depends, such as a padding's
        folded = _folded(model)
        if len(folded.graph.node) == len(model.graph.node):
            return folded
        model = folded


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """One pass: shapes as far as they can be told from ``model``, then constants in graph order."""
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    typed = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = fixed_shapes((tensor.name, tensor.type) for tensor in typed)
    known, versions = initializers(model.graph), opsets(model)
    outputs = {value.name for value in model.graph.output}
    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:
        values = evaluate(node, known, shapes, opsets=versions)
        large = values is not None and sum(value.size for value in values) > MAX_ELEMENTS
        if values is None or large or outputs.intersection(node.output):
            kept.append(node)
        else:
            known.update(zip(node.output, values, strict=True))
    return _rebuilt(model, kept, known)


def _rebuilt(
    model: onnx.ModelProto, kept: list[onnx.NodeProto], known: dict[str, np.ndarray]
) -> onnx.ModelProto:
    used = {name for node in kept for name in node.input}
    before = {tensor.name: tensor for tensor in model.graph.initializer}
    tensors = [
        # not ascontiguousarray, which makes a vector of a scalar
        before.get(name) or numpy_helper.from_array(np.asarray(array, order="C"), name)
        for name, array in known.items()
        if name in used
    ]
    alive = {name for node in kept for name in node.output}
    infos = [value for value in model.graph.value_info if value.name in alive]
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for field, items in (("node", kept), ("initializer", tensors), ("value_info", infos)):
        result.graph.ClearField(field)  # type: ignore[arg-type]
        getattr(result.graph, field).extend(items)
    return result
