"""Torch modules for the catalog's names, and the names of torch modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from devices import activations as catalog
from devices.activations import ELU_ALPHA, LEAKY_SLOPE

__all__ = ["is_activation", "module", "name_of"]


def _kept_identity() -> nn.Module:
    """The catalog's ``identity``: a site that runs nothing, where nn.Identity is no site at all.

    It is told by an attribute and not by a class of ours, so that ultralytics' restricted loading
    takes a checkpoint that holds it.
    """
    kept: Any = nn.Identity()
    kept.activation = "identity"
    return kept


_FACTORIES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE),
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "elu": lambda: nn.ELU(ELU_ALPHA),
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "hardsigmoid": nn.Hardsigmoid,
    "identity": _kept_identity,
}

_PLAIN: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SiLU: "silu",
    nn.Hardswish: "hardswish",
    nn.Mish: "mish",
    nn.SELU: "selu",
    nn.Tanh: "tanh",
    nn.Hardsigmoid: "hardsigmoid",
}

# They live in torch.nn.modules.activation but gate or normalise instead of activating.
_GATES = (nn.Sigmoid, nn.LogSigmoid, nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.MultiheadAttention)


def module(name: str) -> nn.Module:
    """A new torch module for the catalog entry ``name``; it never works in place.

    Raises:
        devices.errors.BadRequest: no entry has that name.
    """
    return _FACTORIES[catalog.get(name).name]()


def is_activation(candidate: nn.Module) -> bool:
    """Whether ``candidate`` is an activation function, in the catalog or not.

    Gates (Sigmoid) and normalisations (Softmax) are none. A module of ours that stands at a site
    says so with an attribute ``activation``: the name of the catalog entry that it runs now.
    """
    if isinstance(getattr(candidate, "activation", None), str):
        return True
    home = type(candidate).__module__
    return home in {"torch.nn.modules.activation", "ultralytics.nn.modules.activation"} and not (
        isinstance(candidate, _GATES)
    )


def name_of(candidate: nn.Module) -> str | None:
    """The catalog name of what ``candidate`` computes, or None if the catalog has no such entry.

    Parameters count: LeakyReLU is ``leaky_relu`` at slope 0.1 only, GELU only without the tanh
    approximation.
    """
    own = getattr(candidate, "activation", None)
    if isinstance(own, str):
        return catalog.get(own).name
    kind = type(candidate)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(candidate, nn.LeakyReLU) and _equal(candidate.negative_slope, LEAKY_SLOPE):
        return "leaky_relu"
    if isinstance(candidate, nn.ELU) and _equal(candidate.alpha, ELU_ALPHA):
        return "elu"
    if isinstance(candidate, nn.GELU) and candidate.approximate == "none":
        return "gelu"
    return None


def _equal(a: float, b: float) -> bool:
    return bool(torch.tensor(a) == torch.tensor(b))
