"""The nodes in which each catalog activation is written to ONNX, as torch exports them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from devices.activations import ELU_ALPHA, LEAKY_SLOPE
from devices.graph_index import Index


def node_name(output: str, activation: str, op: str) -> str:
    """What a node that computes ``activation`` into tensor ``output`` is called."""
    return f"{output}/{activation}/{op}"


class _Writer:
    """Writes the nodes of one site under names that are free."""

    def __init__(self, activation: str, output: str, index: Index) -> None:
        self.activation, self.output, self.index = activation, output, index
        self.nodes: list[onnx.NodeProto] = []

    def op(self, kind: str, *inputs: str, last: bool = False, **attributes: float | str) -> str:
        name = _free(node_name(self.output, self.activation, kind), self.index.node_names)
        out = self.output if last else _free(f"{name}_output_0", self.index.tensors)
        node = helper.make_node(kind, list(inputs), [out], name=name)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        return out

    def constant(self, value: float) -> str:
        name = _free(node_name(self.output, self.activation, "Constant"), self.index.node_names)
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
