"""Static shapes of every tensor of a graph, through the shape arithmetic of exporters."""

from __future__ import annotations

import math

import onnx
from onnx import defs, helper, numpy_helper

from devices.folding import Constant, Shape, fixed_shapes, fold, opsets

_FOLD_LIMIT = 64  # elements: shape arithmetic works on a handful of integers


def static_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """{tensor: shape} of every tensor whose shape follows from the declared inputs.

    ``onnx.shape_inference`` stops at chains such as Shape-Gather-Div-Slice, which the split of a
    C2f block is exported as; here the integers of such a chain are computed on the way. Tensors
    whose shape depends on values of the image are absent. Subgraphs are not entered.

    Raises:
        BadRequest: the arithmetic of a shape cannot be computed; the node is named.
    """
    versions, graph = opsets(model), model.graph
    types: dict[str, onnx.TypeProto] = {value.name: value.type for value in graph.input}
    values: dict[str, Constant] = {}
    for tensor in graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        if math.prod(tensor.dims) <= _FOLD_LIMIT:
            values[tensor.name] = numpy_helper.to_array(tensor)
    shapes = fixed_shapes(types.items())
    for node in graph.node:
        value = fold(node, values, shapes, opsets=versions, most=_FOLD_LIMIT)
        if value is None:
            found = _infer(node, types, values, model)
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            found = {node.output[0]: helper.make_tensor_type_proto(kind, list(value.shape))}
            if value.size <= _FOLD_LIMIT:
                values[node.output[0]] = value
        types |= found
        shapes |= fixed_shapes(found.items())
    return shapes


def _infer(
    node: onnx.NodeProto,
    types: dict[str, onnx.TypeProto],
    values: dict[str, Constant],
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
