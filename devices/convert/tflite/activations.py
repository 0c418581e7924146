"""How TFLite runs each catalog activation that is not fused: one operator, or a short chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from devices.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import Layer, stored_shape
from devices.convert.tflite.quantisation import LOGISTIC_OUTPUT, Quantisation
from devices.errors import Unsupported

# A 256-entry table costs the same whatever it holds. TFLite has no SiLU operator, so where SiLU
# is to be costed as one table, HARD_SWISH stands for it: right for costs, wrong for values.
TABLE_STAND_IN = "HARD_SWISH"


def emit_activation(layer: Layer, emitter: Emitter) -> None:
    """Writes the operators of a site that no convolution absorbs.

    Raises:
        Unsupported: TFLite has no int8 operator for the activation.
    """
    assert layer.site is not None
    activation = layer.site.activation
    emit = _EMITTERS.get(activation)
    if emit is None and emitter.real:
        emit = _REAL_EMITTERS.get(activation)
    if emit is None:
        raise Unsupported(
            f"int8 TFLite: activation {activation!r} (site {layer.site.key}) has no operator; "
            f"this target runs: {', '.join(RUNS)}"
        )
    emit(layer, emitter)


def _one(kind: str, options: Callable[[], Any] = lambda: None) -> Callable[[Layer, Emitter], None]:
    def emit(layer: Layer, emitter: Emitter) -> None:
        x, order = emitter.stored(layer.inputs[0])
        emitter.writer.operator(kind, [x], [emitter.write(layer.outputs[0], order)], options())

    return emit


def _leaky_relu_options() -> Any:
    options = schema.LeakyReluOptionsT()
    options.alpha = LEAKY_SLOPE
    return options


def _identity(layer: Layer, emitter: Emitter) -> None:
    emitter.alias(layer.outputs[0], layer.inputs[0])


class _Chain:
    """The operators of one activation, each on a helper of the output's shape."""

    def __init__(self, layer: Layer, emitter: Emitter) -> None:
        self._emitter, self._output = emitter, layer.outputs[0]
        self.x, self._order = emitter.stored(layer.inputs[0])
        self._shape = stored_shape(emitter.network.shapes[self._output], self._order)

    def step(
        self,
        kind: str,
        inputs: list[int],
        *,
        to: tuple[str, Quantisation | None] | None = None,
        options: Any = None,
    ) -> int:
        """Writes ``kind`` into the helper ``to`` (name, quantisation), or into the output."""
        if to is None:
            target = self._emitter.write(self._output, self._order)
        else:
            target = self._emitter.helper(f"{self._output}#{to[0]}", self._shape, to[1])
        self._emitter.writer.operator(kind, inputs, [target], options)
        return target

    def scalar(self, name: str, value: float) -> int:
        values = np.full([1] * len(self._shape), value, np.float32)
        return self._emitter.constant(f"{self._output}#{name}", values)


def _silu(layer: Layer, emitter: Emitter) -> None:
    if emitter.lowering == "table":
        _one(TABLE_STAND_IN)(layer, emitter)
        return
    chain = _Chain(layer, emitter)
    gate = chain.step("LOGISTIC", [chain.x], to=("logistic", LOGISTIC_OUTPUT))
    chain.step("MUL", [chain.x, gate], options=schema.MulOptionsT())


def _hardsigmoid(layer: Layer, emitter: Emitter) -> None:
    """relu6(x + 3) / 6: TFLite has no operator of its own for it."""
    chain = _Chain(layer, emitter)
    add = schema.AddOptionsT()
    add.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    to = ("shifted", Quantisation.covering(0, 6))
    shifted = chain.step("ADD", [chain.x, chain.scalar("three", 3.0)], to=to, options=add)
    chain.step("MUL", [shifted, chain.scalar("sixth", 1 / 6)], options=schema.MulOptionsT())


def _mish(layer: Layer, emitter: Emitter) -> None:
    """x tanh(log(exp(x) + 1)): where exp(x) overflows, the logarithm's infinity still gives 1."""
    chain = _Chain(layer, emitter)
    power = chain.step("EXP", [chain.x], to=("exp", None))
    one = chain.scalar("one", 1.0)
    total = chain.step("ADD", [power, one], to=("sum", None), options=schema.AddOptionsT())
    softplus = chain.step("LOG", [total], to=("log", None))
    gate = chain.step("TANH", [softplus], to=("tanh", None))
    chain.step("MUL", [chain.x, gate], options=schema.MulOptionsT())


def _selu(layer: Layer, emitter: Emitter) -> None:
    """scale (alpha elu(x) + (1 - alpha) relu(x))."""
    chain = _Chain(layer, emitter)
    elu = chain.step("ELU", [chain.x], to=("elu", None))
    relu = chain.step("RELU", [chain.x], to=("relu", None))
    factors = {"below": SELU_SCALE * SELU_ALPHA, "above": SELU_SCALE * (1 - SELU_ALPHA)}
    parts = [
        chain.step(
            "MUL",
            [part, chain.scalar(f"{name}#factor", factors[name])],
            to=(name, None),
            options=schema.MulOptionsT(),
        )
        for part, name in ((elu, "below"), (relu, "above"))
    ]
    chain.step("ADD", parts, options=schema.AddOptionsT())


_EMITTERS: dict[str, Callable[[Layer, Emitter], None]] = {
    "relu": _one("RELU"),
    "relu6": _one("RELU6"),
    "leaky_relu": _one("LEAKY_RELU", _leaky_relu_options),
    "silu": _silu,
    "hardswish": _one("HARD_SWISH"),
    "gelu": _one("GELU", schema.GeluOptionsT),
    "elu": _one("ELU"),
    "tanh": _one("TANH"),
    "hardsigmoid": _hardsigmoid,
    "identity": _identity,
}
# Chains whose steps int8 cannot hold.
_REAL_EMITTERS: dict[str, Callable[[Layer, Emitter], None]] = {"mish": _mish, "selu": _selu}

RUNS: tuple[str, ...] = tuple(_EMITTERS)
