"""The catalog: every activation that a site may run, by its ``torch.nn.functional`` name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.errors import BadRequest

Array = NDArray[np.float32]

LEAKY_SLOPE = 0.1  # the slope that YOLO models use; torch's own default is 0.01
ELU_ALPHA = 1.0
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Activation:
    """One catalog entry.

    ``function`` maps a float32 array to one of the same shape and is the reference that every
    exported form and every runtime is compared with. ``colour`` is a CSS hex colour, the same in
    every chart and mix bar. ``parameters`` are the constants inside ``formula``.
    """

    name: str
    title: str
    formula: str
    function: Callable[[Array], Array]
    colour: str
    parameters: tuple[tuple[str, float], ...] = ()


def _sigmoid(x: Array) -> Array:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1))


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, np.float32(0)).astype(np.float32)


def _hardsigmoid(x: Array) -> Array:
    return np.clip(x + np.float32(3), 0, 6) / np.float32(6)


def _gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[np.float32])
    return np.float32(0.5) * x * (np.float32(1) + erf(x / np.float32(math.sqrt(2))))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.float32(ELU_ALPHA) * np.expm1(np.minimum(x, 0))).astype(np.float32)


def _selu(x: Array) -> Array:
    negative = np.float32(SELU_ALPHA) * np.expm1(np.minimum(x, 0))
    return (np.float32(SELU_SCALE) * np.where(x > 0, x, negative)).astype(np.float32)


_ENTRIES = (
    Activation("relu", "ReLU", "max(0, x)", lambda x: np.maximum(x, np.float32(0)), "#0072b2"),
    Activation("relu6", "ReLU6", "min(max(0, x), 6)", lambda x: np.clip(x, 0, 6), "#56b4e9"),
    Activation(
        "leaky_relu",
        "LeakyReLU",
        "max(0, x) + 0.1 min(0, x)",
        lambda x: np.where(x > 0, x, np.float32(LEAKY_SLOPE) * x).astype(np.float32),
        "#009e73",
        (("negative_slope", LEAKY_SLOPE),),
    ),
    Activation("silu", "SiLU", "x / (1 + exp(-x))", lambda x: x * _sigmoid(x), "#d55e00"),
    Activation(
        "hardswish",
        "Hardswish",
        "x min(max(0, x + 3), 6) / 6",
        lambda x: x * _hardsigmoid(x),
        "#e69f00",
    ),
    Activation("gelu", "GELU", "x (1 + erf(x / sqrt 2)) / 2", _gelu, "#cc79a7"),
    Activation(
        "mish", "Mish", "x tanh(ln(1 + exp x))", lambda x: x * np.tanh(_softplus(x)), "#8c510a"
    ),
    Activation(
        "elu", "ELU", "x if x > 0 else exp(x) - 1", _elu, "#7b3294", (("alpha", ELU_ALPHA),)
    ),
    Activation(
        "selu",
        "SELU",
        "1.0507 (x if x > 0 else 1.67326 (exp(x) - 1))",
        _selu,
        "#c2a5cf",
        (("alpha", SELU_ALPHA), ("scale", SELU_SCALE)),
    ),
    Activation("tanh", "Tanh", "tanh(x)", np.tanh, "#4d4d4d"),
    Activation("hardsigmoid", "Hardsigmoid", "min(max(0, x + 3), 6) / 6", _hardsigmoid, "#999999"),
    Activation("identity", "Identity", "x", lambda x: x, "#d9d9d9"),
)

CATALOG: dict[str, Activation] = {entry.name: entry for entry in _ENTRIES}
NAMES: tuple[str, ...] = tuple(CATALOG)


def get(name: str) -> Activation:
    """The catalog entry called ``name``.

    Raises:
        BadRequest: no entry has that name; the message lists the names that exist.
    """
    try:
        return CATALOG[name]
    except KeyError:
        known = ", ".join(NAMES)
        raise BadRequest(f"unknown activation {name!r}; known: {known}") from None


def check(names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """``names`` without repeats, in catalog order.

    Raises:
        BadRequest: the list is empty or holds an unknown name.
    """
    if not names:
        raise BadRequest(f"no activation given; choose from: {', '.join(NAMES)}")
    wanted = {get(name).name for name in names}
    return tuple(name for name in NAMES if name in wanted)
