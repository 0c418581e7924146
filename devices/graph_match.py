"""The node patterns in which each catalog activation is exported to ONNX: finding them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
from onnx import helper

from devices.activations import ELU_ALPHA, LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from devices.graph_emit import node_name
from devices.graph_index import DEFAULT_DOMAINS, Index


@dataclass(frozen=True)
class Match:
    """A catalog activation in a graph: node indices in graph order; ``last`` writes the output."""

    activation: str
    input: str
    output: str
    nodes: tuple[int, ...]
    last: int


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    for attribute in node.attribute:
        if attribute.name == name:
            return float(helper.get_attribute_value(attribute))
    return default


def _near(value: float | None, wanted: float) -> bool:
    return value is not None and math.isclose(value, wanted, rel_tol=1e-4, abs_tol=1e-6)


def _other(node: onnx.NodeProto, one: str) -> str | None:
    """The second operand of a two-operand node whose other operand is ``one``."""
    if len(node.input) != 2 or one not in node.input:
        return None
    return str(node.input[1] if node.input[0] == one else node.input[0])


def _is_hardsigmoid(node: onnx.NodeProto) -> bool:
    return _near(_attribute(node, "alpha", 0.2), 1 / 6) and _near(
        _attribute(node, "beta", 0.5), 0.5
    )


def _gated(index: Index, i: int) -> tuple[str, str, set[int]] | None:
    """x * gate(x), operands in either order: SiLU, Hardswish and Mish as chains."""
    node = index.nodes[i]
    for gate, x in (tuple(node.input), tuple(reversed(node.input))):
        g = index.made_by(gate, "Sigmoid", "HardSigmoid", "Tanh")
        if g is None:
            continue
        gate_node = index.nodes[g]
        if gate_node.op_type == "Tanh":
            s = index.made_by(gate_node.input[0], "Softplus")
            if s is not None and index.nodes[s].input[0] == x:
                return "mish", x, {g, s}
        elif gate_node.input[0] == x:
            if gate_node.op_type == "Sigmoid":
                return "silu", x, {g}
            if _is_hardsigmoid(gate_node):
                return "hardswish", x, {g}
    return None


def _gelu_chain(index: Index, i: int) -> tuple[str, str, set[int]] | None:
    """.5 * x * (1 + erf(x / sqrt 2)), its three factors multiplied in any order."""
    factors, inner = _factors(index, i)
    halves = [f for f in factors if _near(index.scalar(f), 0.5)]
    others = [f for f in factors if f not in halves]
    if len(halves) != 1 or len(others) != 2:
        return None
    for total, x in (others, others[::-1]):
        a = index.made_by(total, "Add")
        if a is None:
            continue
        for erf_out in index.nodes[a].input:
            one = _other(index.nodes[a], erf_out)
            e = index.made_by(erf_out, "Erf")
            if e is None or one is None or not _near(index.scalar(one), 1.0):
                continue
            d = index.made_by(index.nodes[e].input[0], "Div", "Mul")
            if d is not None and _is_over_root_two(index, d, x):
                return "gelu", x, inner | {a, e, d}
    return None


def _is_over_root_two(index: Index, i: int, x: str) -> bool:
    node = index.nodes[i]
    if node.op_type == "Div":
        return node.input[0] == x and _near(index.scalar(node.input[1]), math.sqrt(2))
    other = _other(node, x)
    return other is not None and _near(index.scalar(other), 1 / math.sqrt(2))


def _factors(index: Index, i: int) -> tuple[list[str], set[int]]:
    """The operands of a product of two Mul nodes, and the inner node's index."""
    node = index.nodes[i]
    for a, b in (tuple(node.input), tuple(reversed(node.input))):
        inner = index.made_by(a, "Mul")
        if inner is not None and index.private({inner}, i):
            return [*index.nodes[inner].input, b], {inner}
    return list(node.input), set()


def _single(index: Index, i: int) -> str | None:
    """The activation that one node alone computes."""
    node = index.nodes[i]
    kind = node.op_type
    if kind == "Clip":
        bounds = [index.scalar(name) if name else None for name in (*node.input[1:], "", "")[:2]]
        return "relu6" if _near(bounds[0], 0.0) and _near(bounds[1], 6.0) else None
    if kind == "LeakyRelu":
        return "leaky_relu" if _near(_attribute(node, "alpha", 0.01), LEAKY_SLOPE) else None
    if kind == "Elu":
        return "elu" if _near(_attribute(node, "alpha", 1.0), ELU_ALPHA) else None
    if kind == "Selu":
        alpha, gamma = _attribute(node, "alpha", SELU_ALPHA), _attribute(node, "gamma", SELU_SCALE)
        return "selu" if _near(alpha, SELU_ALPHA) and _near(gamma, SELU_SCALE) else None
    if kind == "HardSigmoid":
        return "hardsigmoid" if _is_hardsigmoid(node) else None
    if kind == "Gelu":
        tanh_form = any(a.name == "approximate" and a.s != b"none" for a in node.attribute)
        return None if tanh_form else "gelu"
    if kind == "Swish":
        return "silu" if _near(_attribute(node, "alpha", 1.0), 1.0) else None
    if kind == "Tanh":
        return None if _inside_chain(index, i) else "tanh"
    return {"Relu": "relu", "HardSwish": "hardswish", "Mish": "mish"}.get(kind)


def _inside_chain(index: Index, i: int) -> bool:
    """Whether a Tanh is part of GELU's tanh form or of a Mish: no activation by itself."""
    node = index.nodes[i]
    if index.made_by(node.input[0], "Softplus") is not None:
        return True
    for reader in index.readers[node.output[0]]:
        other = _other(index.nodes[reader], node.output[0])
        if index.is_op(reader, "Add") and other and _near(index.scalar(other), 1.0):
            return True
    return False


def match(index: Index, i: int, *, known: set[str]) -> Match | None:
    """The catalog activation whose last node is ``i``, or None.

    ``known`` holds output tensors that are sites by declaration: only there (and where
    :func:`devices.graph_emit.emit` wrote it) an Identity node is a site, since exporters scatter
    Identity nodes.
    """
    node = index.nodes[i]
    if node.domain not in DEFAULT_DOMAINS or not node.output:
        return None
    inner: set[int] = set()
    if node.op_type == "Mul" and len(node.input) == 2:
        hit = _gated(index, i) or _gelu_chain(index, i)
        if hit is None:
            return None
        activation, x, inner = hit
        if not index.private(inner, i):
            return None
    elif node.op_type == "Identity":
        declared = node.output[0] in known or node.name == node_name(
            node.output[0], "identity", "Identity"
        )
        if not declared:
            return None
        activation, x = "identity", node.input[0]
    else:
        single = _single(index, i)
        if single is None:
            return None
        activation, x = single, node.input[0]
    if index.is_constant(x):
        return None
    own = inner | {i}
    constants = {
        c
        for n in own
        for name in index.nodes[n].input
        if (c := index.made_by(name, "Constant")) is not None
        and all(r in own for r in index.readers[name])
        and name not in index.outputs
    }
    return Match(activation, x, node.output[0], tuple(sorted(own | constants)), i)
