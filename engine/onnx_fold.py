"""Constants of an ONNX graph, computed once instead of at every inference."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

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
    shapes = _shapes(model)
    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:
        values = _evaluate(node, known, shapes, model)
        if values is None or outputs.intersection(node.output):
            kept.append(node)
        else:
            known.update(zip(node.output, values, strict=True))
    return _rebuilt(model, kept, known)


def _evaluate(
    node: onnx.NodeProto,
    known: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    model: onnx.ModelProto,
) -> list[np.ndarray] | None:
    """What ``node`` puts out, or None if that depends on the image."""
    if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
        return [np.array(shapes[node.input[0]], dtype=np.int64)]
    if any(name and name not in known for name in node.input):
        return None
    feeds = {name: known[name] for name in node.input if name}
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [_value(name, array) for name, array in feeds.items()],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    single = onnx.helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    values = [np.asarray(value) for value in ReferenceEvaluator(single).run(None, feeds)]
    return values if sum(value.size for value in values) <= MAX_ELEMENTS else None


def _value(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, array.shape)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    found = {}
    for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found[value.name] = tuple(d.dim_value for d in dims)
    return found


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
