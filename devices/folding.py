"""What an ONNX graph computes before it sees an image: constants, and the arithmetic of shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from devices.errors import BadRequest
from devices.graph_basics import label

Constant = NDArray[Any]
Shape = tuple[int, ...]

# None of these makes an output much larger than its inputs, whatever a hostile file feeds it.
_CHEAP = frozenset(
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
_DEFAULT_DOMAINS = ("", "ai.onnx")  # two names of the same


def opsets(model: onnx.ModelProto) -> dict[str, int]:
    """{domain: version} of the operators in ``model``; the default domain is ""."""
    return {_domain(entry.domain): int(entry.version) for entry in model.opset_import}


def initializers(graph: onnx.GraphProto) -> dict[str, Constant]:
    """Every initializer of ``graph`` by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def fixed_shapes(types: Iterable[tuple[str, onnx.TypeProto]]) -> dict[str, Shape]:
    """{tensor: shape} of the ``types`` that say every dimension."""
    found = {}
    for name, kind in types:
        dims = kind.tensor_type.shape.dim
        if kind.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found[name] = tuple(int(d.dim_value) for d in dims)
    return found


def fold(
    node: onnx.NodeProto,
    constants: Mapping[str, Constant],
    shapes: Mapping[str, Shape],
    *,
    opsets: Mapping[str, int],
    most: int,
) -> Constant | None:
    """The value of ``node`` if it is shape arithmetic on at most ``most`` elements, else None.

    Only operators that cost next to nothing, for graphs that somebody else made. A Constant and an
    Identity of a constant, which compute nothing, may have any size. ``shapes`` are those of
    tensors that are not constant.

    Raises:
        BadRequest: the node cannot be computed; its name and why.
    """
    if node.domain not in _DEFAULT_DOMAINS or node.op_type not in _CHEAP:
        return None
    if node.op_type == "Identity":
        return constants.get(node.input[0])
    if sum(constants[name].size for name in node.input if name in constants) > most:
        return None
    values = evaluate(node, constants, shapes, opsets=opsets)
    return None if values is None else values[0]


def evaluate(
    node: onnx.NodeProto,
    constants: Mapping[str, Constant],
    shapes: Mapping[str, Shape],
    *,
    opsets: Mapping[str, int],
) -> list[Constant] | None:
    """What ``node`` puts out if constants and shapes fix it, whatever that takes; None if not.

    By ONNX's own reference, in the version of the operator that the graph means.

    Raises:
        BadRequest: the node cannot be computed; its name and why.
    """
    if node.op_type == "Shape" and node.input[0] in shapes:
        bounds = {a.name: int(a.i) for a in node.attribute}
        shape = shapes[node.input[0]]
        return [np.asarray(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], np.int64)]
    if node.op_type == "Constant" and [a.name for a in node.attribute] == ["value"]:
        return [numpy_helper.to_array(node.attribute[0].t)]
    if any(name and name not in constants for name in node.input):
        return None
    feeds = {name: constants[name] for name in node.input if name}
    try:
        values = ReferenceEvaluator(_alone(node, feeds, opsets)).run(None, feeds)
    except Exception as error:  # whatever numpy says of a node that no runtime could compute
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadRequest(
            f"ONNX operator {node.op_type} (node {label(node)}) cannot be computed: {reason}"
        ) from error
    return [np.asarray(value) for value in values]


def _alone(
    node: onnx.NodeProto, feeds: Mapping[str, Constant], opsets: Mapping[str, int]
) -> onnx.ModelProto:
    """``node`` as a model of its own: by itself it would be read as the newest of its kind."""
    single = onnx.NodeProto()
    single.CopyFrom(node)
    single.domain = _domain(node.domain)
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([single], "one", inputs, outputs)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=imports)


def _domain(name: str) -> str:
    return "" if name in _DEFAULT_DOMAINS else str(name)
