"""The node patterns in which each catalog activation is exported to ONNX: matched and written."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from devices.activations import ELU_ALPHA, LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE

_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Match:
    """A catalog activation in a graph: node indices in graph order; ``last`` writes the output."""

    activation: str
    input: str
    output: str
    nodes: tuple[int, ...]
    last: int


class Index:
    """Who writes and who reads each tensor of a graph, and the scalars among its constants."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes: list[onnx.NodeProto] = list(graph.node)
        self.writer = {out: i for i, node in enumerate(self.nodes) for out in node.output if out}
        self.readers: dict[str, list[int]] = defaultdict(list)
        for i, node in enumerate(self.nodes):
            for name in _reads(node):
                self.readers[name].append(i)
        self.outputs = {value.name for value in graph.output}
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.node_names = {node.name for node in self.nodes}
        self.tensors = set(self.writer) | set(self._initializers) | {v.name for v in graph.input}

    def scalar(self, name: str) -> float | None:
        """The value of a one-element constant (initializer or Constant node), else None."""
        tensor = self._initializers.get(name)
        if tensor is None and name in self.writer:
            node = self.nodes[self.writer[name]]
            if node.op_type == "Constant":
                value = _constant(node)
                return None if value is None or value.size != 1 else float(value.reshape(-1)[0])
        if tensor is None or math.prod(tensor.dims) != 1:
            return None
        return float(numpy_helper.to_array(tensor).reshape(-1)[0])

    def is_constant(self, name: str) -> bool:
        """Whether ``name`` is a weight or a Constant node's output."""
        return name in self._initializers or self.made_by(name, "Constant") is not None

    def is_op(self, i: int, *kinds: str) -> bool:
        node = self.nodes[i]
        return node.op_type in kinds and node.domain in _DEFAULT_DOMAINS

    def made_by(self, name: str, *kinds: str) -> int | None:
        """The index of the node that writes ``name``, if it is one of ``kinds``."""
        i = self.writer.get(name)
        return i if i is not None and self.is_op(i, *kinds) else None

    def private(self, inner: set[int], last: int) -> bool:
        """Whether no tensor made by ``inner`` is read elsewhere, or leaves the graph."""
        own = inner | {last}
        for i in inner:
            for name in self.nodes[i].output:
                if name in self.outputs or any(r not in own for r in self.readers[name]):
                    return False
        return True


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Every tensor that a node reads, those of its subgraphs included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for graph in graphs:
            for inner in graph.node:
                yield from _reads(inner)
            yield from (value.name for value in graph.output)


def _constant(node: onnx.NodeProto) -> np.ndarray | None:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_int", "value_floats", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute))
    return None


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
    :func:`emit` wrote it) an Identity node is a site, since exporters scatter Identity nodes.
    """
    node = index.nodes[i]
    if node.domain not in _DEFAULT_DOMAINS or not node.output:
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
        declared = node.output[0] in known or node.name == _name(
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


def _name(output: str, activation: str, op: str) -> str:
    return f"{output}/{activation}/{op}"


class _Writer:
    """Writes the nodes of one site under names that are free."""

    def __init__(self, activation: str, output: str, index: Index) -> None:
        self.activation, self.output, self.index = activation, output, index
        self.nodes: list[onnx.NodeProto] = []

    def op(self, kind: str, *inputs: str, last: bool = False, **attributes: float | str) -> str:
        name = _free(_name(self.output, self.activation, kind), self.index.node_names)
        out = self.output if last else _free(f"{name}_output_0", self.index.tensors)
        node = helper.make_node(kind, list(inputs), [out], name=name)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        return out

    def constant(self, value: float) -> str:
        name = _free(_name(self.output, self.activation, "Constant"), self.index.node_names)
        out = _free(f"{name}_output_0", self.index.tensors)
        tensor = numpy_helper.from_array(np.asarray(value, np.float32))
        self.nodes.append(helper.make_node("Constant", [], [out], name=name, value=tensor))
        return out


def _free(name: str, taken: set[str]) -> str:
    candidate, n = name, 0
    while candidate in taken:
        n += 1
        candidate = f"{name}_{n}"
    taken.add(candidate)
    return candidate


def _silu(w: _Writer, x: str, opset: int) -> None:
    # Never the Swish operator of opset 24: ONNX Runtime 1.31 takes it apart badly.
    w.op("Mul", x, w.op("Sigmoid", x), last=True)


def _relu6(w: _Writer, x: str, opset: int) -> None:
    w.op("Clip", x, w.constant(0.0), w.constant(6.0), last=True)


def _hardswish(w: _Writer, x: str, opset: int) -> None:
    if opset >= 14:
        w.op("HardSwish", x, last=True)
    else:
        w.op("Mul", x, w.op("HardSigmoid", x, alpha=1 / 6, beta=0.5), last=True)


def _gelu(w: _Writer, x: str, opset: int) -> None:
    if opset >= 20:
        w.op("Gelu", x, last=True, approximate="none")
        return
    erf = w.op("Erf", w.op("Div", x, w.constant(math.sqrt(2))))
    product = w.op("Mul", x, w.op("Add", erf, w.constant(1.0)))
    w.op("Mul", product, w.constant(0.5), last=True)


def _mish(w: _Writer, x: str, opset: int) -> None:
    if opset >= 18:
        w.op("Mish", x, last=True)
    else:
        w.op("Mul", x, w.op("Tanh", w.op("Softplus", x)), last=True)


def _plain(kind: str, **attributes: float) -> Callable[[_Writer, str, int], None]:
    return lambda w, x, opset: (w.op(kind, x, last=True, **attributes), None)[1]


_FORMS: dict[str, Callable[[_Writer, str, int], None]] = {
    "relu": _plain("Relu"),
    "relu6": _relu6,
    "leaky_relu": _plain("LeakyRelu", alpha=LEAKY_SLOPE),
    "silu": _silu,
    "hardswish": _hardswish,
    "gelu": _gelu,
    "mish": _mish,
    "elu": _plain("Elu", alpha=ELU_ALPHA),
    "selu": _plain("Selu"),
    "tanh": _plain("Tanh"),
    "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "identity": _plain("Identity"),
}


def emit(
    activation: str, *, input: str, output: str, opset: int, index: Index
) -> list[onnx.NodeProto]:
    """The nodes that compute ``activation`` from ``input`` into ``output``, as torch exports them.

    Names are free in ``index``, which then knows them.
    """
    writer = _Writer(activation, output, index)
    _FORMS[activation](writer, input, opset)
    return writer.nodes
