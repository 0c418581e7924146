"""Static shapes of every tensor of a graph, through the shape arithmetic of exporters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Shape = tuple[int, ...]
_FOLD_LIMIT = 64  # elements: shape arithmetic works on a handful of integers
# None of these makes an output much larger than its inputs, whatever a hostile file feeds it.
_FOLDABLE = frozenset(
    [
        "Constant",
        "Shape",
        "Gather",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Mod",
        "Neg",
        "Min",
        "Max",
        "Floor",
        "Ceil",
        "Concat",
        "Slice",
        "Squeeze",
        "Unsqueeze",
        "Reshape",
        "Cast",
        "Identity",
        "Equal",
        "Where",
    ]
)


def static_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """{tensor: shape} of every tensor whose shape follows from the declared inputs.

    ``onnx.shape_inference`` stops at chains such as Shape-Gather-Div-Slice, which the split of a
    C2f block is exported as; here the integers of such a chain are computed on the way. Tensors
    whose shape depends on values of the image are absent. Subgraphs are not entered.
    """
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    version = int(opsets.get("", opsets.get("ai.onnx", 1)))
    graph = model.graph
    types: dict[str, onnx.TypeProto] = {value.name: value.type for value in graph.input}
    values: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        if math.prod(tensor.dims) <= _FOLD_LIMIT:
            values[tensor.name] = numpy_helper.to_array(tensor)
    for node in graph.node:
        folded = _fold(node, types, values, version)
        if folded is not None:
            values[node.output[0]] = folded
            kind = helper.np_dtype_to_tensor_dtype(folded.dtype)
            types[node.output[0]] = helper.make_tensor_type_proto(kind, list(folded.shape))
        else:
            types.update(_infer(node, types, values, model))
    shapes = {name: _shape(kind) for name, kind in types.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _fold(
    node: onnx.NodeProto,
    types: dict[str, onnx.TypeProto],
    values: dict[str, NDArray[Any]],
    version: int,
) -> NDArray[Any] | None:
    """The value of a small node whose inputs are known, else None."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in _FOLDABLE:
        return None
    if node.op_type == "Shape":
        shape = _shape(types.get(node.input[0]))
        if shape is None:
            return None
        bounds = {a.name: int(helper.get_attribute_value(a)) for a in node.attribute}
        return np.asarray(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], np.int64)
    if any(name and name not in values for name in node.input):
        return None
    evaluator = ReferenceEvaluator(node, opsets={"": version})
    (result,) = evaluator.run(None, {name: values[name] for name in node.input if name})
    array = np.asarray(result)
    return array if array.size <= _FOLD_LIMIT else None


def _infer(
    node: onnx.NodeProto,
    types: dict[str, onnx.TypeProto],
    values: dict[str, NDArray[Any]],
    model: onnx.ModelProto,
) -> dict[str, onnx.TypeProto]:
    known = {name: types[name] for name in node.input if name in types}
    if len(known) < len({name for name in node.input if name}):
        return {}
    if node.op_type == "Constant" or not defs.has(node.op_type, node.domain):
        tensor = next((a.t for a in node.attribute if a.name == "value"), None)
        if tensor is None:
            return {}
        return {node.output[0]: helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))}
    versions = {entry.domain: entry.version for entry in model.opset_import}
    schema = defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    data = {n: numpy_helper.from_array(values[n], n) for n in node.input if n in values}
    try:
        return dict(
            onnx.shape_inference.infer_node_outputs(
                schema,
                node,
                known,
                data,
                opset_imports=list(model.opset_import),
                ir_version=model.ir_version,
            )
        )
    except onnx.shape_inference.InferenceError:
        return {}  # this node's outputs stay unknown, which is what absence from the result says


def _shape(kind: onnx.TypeProto | None) -> Shape | None:
    if kind is None or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if not all(d.HasField("dim_value") for d in dims):
        return None
    return tuple(int(d.dim_value) for d in dims)
