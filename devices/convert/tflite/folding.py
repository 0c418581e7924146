"""Constants of a graph, with the small shape arithmetic that exporters leave in it computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# Shape arithmetic has a handful of elements; an upload must not make us compute more.
_MOST_ELEMENTS = 4096

Constant = NDArray[Any]


def _divide(a: Constant, b: Constant) -> Constant:
    if np.issubdtype(a.dtype, np.integer):
        return np.asarray(np.trunc(a / b)).astype(a.dtype)
    return np.asarray(a / b)


_FUNCTIONS: dict[str, Callable[..., Constant]] = {
    "Identity": lambda a: a,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
}


def initializers(graph: onnx.GraphProto) -> dict[str, Constant]:
    """Every initializer of ``graph`` by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def fold(
    node: onnx.NodeProto, constants: Mapping[str, Constant], shapes: Mapping[str, tuple[int, ...]]
) -> Constant | None:
    """The value of ``node`` if constants and known shapes fix it and it is shape arithmetic.

    None means that the node has to stay: it reads a feature map, is large, or is another operator.
    """
    kind = node.op_type
    if kind == "Constant":
        return _constant(node)
    if kind == "Shape" and node.input[0] in shapes and not node.attribute:
        return np.asarray(shapes[node.input[0]], np.int64)
    values = [constants.get(name) for name in node.input]
    operands = [value for value in values if value is not None]
    if len(operands) != len(values) or sum(value.size for value in operands) > _MOST_ELEMENTS:
        # An Identity only renames: it may carry weights of any size.
        return operands[0] if kind == "Identity" and len(operands) == 1 else None
    if kind == "Gather":
        return np.take(operands[0], operands[1].astype(np.int64), axis=_attribute(node, "axis", 0))
    if kind == "Concat":
        return np.concatenate(operands, axis=_attribute(node, "axis", 0))
    if kind == "Cast":
        dtype = helper.tensor_dtype_to_np_dtype(_attribute(node, "to", onnx.TensorProto.FLOAT))
        return operands[0].astype(dtype)
    if kind in ("Squeeze", "Unsqueeze") and len(operands) == 2:
        axes = tuple(int(axis) for axis in operands[1].reshape(-1))
        change = np.squeeze if kind == "Squeeze" else np.expand_dims
        return change(operands[0], axes)
    function = _FUNCTIONS.get(kind)
    return None if function is None else np.asarray(function(*operands))


def _constant(node: onnx.NodeProto) -> Constant | None:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_int", "value_floats", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute))
    return None


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    for attribute in node.attribute:
        if attribute.name == name:
            return int(attribute.i)
    return default
