"""How TFLite runs each catalog activation: fused, as one operator, or as a short chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from devices.activations import LEAKY_SLOPE
from devices.convert.tflite.layers import Layer
from devices.convert.tflite.quantisation import LOGISTIC_OUTPUT, Quantisation
from devices.errors import Unsupported

if TYPE_CHECKING:
    from devices.convert.tflite.emitter import Emitter
    from devices.convert.tflite.network import Network

# What a convolution can do by itself.
FUSED: dict[str, int] = {
    "identity": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}

# A 256-entry table costs the same whatever it holds. TFLite has no SiLU operator, so where SiLU
# is to be costed as one table, HARD_SWISH stands for it: right for costs, wrong for values.
TABLE_STAND_IN = "HARD_SWISH"


def emit_activation(layer: Layer, emitter: Emitter) -> None:
    """Writes the operators of a site that no convolution absorbs.

    Raises:
        Unsupported: TFLite has no single operator for the activation.
    """
    assert layer.site is not None
    activation = layer.site.activation
    try:
        emit = _EMITTERS[activation]
    except KeyError:
        raise Unsupported(
            f"Ethos-U: activation {activation!r} (site {layer.site.key}) has no TFLite operator; "
            f"this target runs: {', '.join(RUNS)}"
        ) from None
    emit(layer, emitter)


def _one(kind: str, options: Callable[[], Any] = lambda: None) -> Callable[[Layer, Emitter], None]:
    def emit(layer: Layer, emitter: Emitter) -> None:
        inputs = [emitter.map(layer.inputs[0])]
        emitter.writer.operator(kind, inputs, [emitter.map(layer.outputs[0])], options())

    return emit


def _leaky_relu_options() -> Any:
    options = schema.LeakyReluOptionsT()
    options.alpha = LEAKY_SLOPE
    return options


def _identity(layer: Layer, emitter: Emitter) -> None:
    emitter.alias(layer.outputs[0], layer.inputs[0])


def _silu(layer: Layer, emitter: Emitter) -> None:
    if emitter.lowering == "table":
        _one(TABLE_STAND_IN)(layer, emitter)
        return
    x, output = emitter.map(layer.inputs[0]), layer.outputs[0]
    gate = emitter.helper(f"{output}#logistic", emitter.nhwc(output), LOGISTIC_OUTPUT)
    emitter.writer.operator("LOGISTIC", [x], [gate])
    emitter.writer.operator("MUL", [x, gate], [emitter.map(output)], schema.MulOptionsT())


def _hardsigmoid(layer: Layer, emitter: Emitter) -> None:
    """relu6(x + 3) / 6: TFLite has no operator of its own for it."""
    output = layer.outputs[0]
    six = Quantisation.covering(0, 6)
    shifted = emitter.helper(f"{output}#shifted", emitter.nhwc(output), six)
    add = schema.AddOptionsT()
    add.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    inputs = [emitter.map(layer.inputs[0]), _scalar(emitter, f"{output}#three", 3.0)]
    emitter.writer.operator("ADD", inputs, [shifted], add)
    inputs = [shifted, _scalar(emitter, f"{output}#sixth", 1 / 6)]
    emitter.writer.operator("MUL", inputs, [emitter.map(output)], schema.MulOptionsT())


def _scalar(emitter: Emitter, name: str, value: float) -> int:
    quantisation = Quantisation.covering(0, value)
    values = quantisation.quantise(np.full((1, 1, 1, 1), value, np.float32))
    scales = np.array([quantisation.scale], np.float32)
    return emitter.writer.constant(name, values, scales=scales, zero_point=quantisation.zero_point)


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

RUNS: tuple[str, ...] = tuple(_EMITTERS)


def fused_sites(network: Network) -> dict[str, Layer]:
    """{convolution's output: site} where the site is its only reader and TFLite can fuse it."""
    readers = network.readers()
    leaving = set(network.outputs)
    fused: dict[str, Layer] = {}
    for layer in network.layers:
        if layer.kind != "Conv" or layer.outputs[0] in leaving:
            continue
        following = readers[layer.outputs[0]]
        site = following[0].site if len(following) == 1 else None
        if site is not None and site.activation in FUSED:
            fused[layer.outputs[0]] = following[0]
    return fused
