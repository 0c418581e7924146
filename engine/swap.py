"""Other activations in a torch model: one new module a site."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

from devices.assignment import Assignment
from engine import activations
from engine.errors import BadSearch
from engine.sites import twin

__all__ = ["apply", "swapped"]

Net = TypeVar("Net", bound=nn.Module)


def apply(net: Net, assignment: Assignment) -> Net:
    """Give every site of ``assignment`` its activation, in place; returns ``net``.

    Every site gets a module of its own: a checkpoint's sites share one object, which is never
    changed. A training-only twin runs what its site runs.

    Raises:
        BadSearch: the model has no such site; nothing is changed then.
    """
    places: list[tuple[nn.Module, str, str]] = []
    for path, activation in assignment:
        places.append((*_place(net, path), activation))
        other = twin(path)
        if other is not None:
            places.append((*_place(net, other), activation))
    for parent, name, activation in places:
        setattr(parent, name, activations.module(activation))
    return net


def swapped(net: Net, assignment: Assignment) -> Net:
    """A copy of ``net`` that runs ``assignment``; ``net`` is not changed.

    Raises:
        BadSearch: the model has no such site.
    """
    return apply(copy.deepcopy(net), assignment)


def _place(net: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent_path, _, name = path.rpartition(".")
    try:
        parent = net.get_submodule(parent_path)
        child = parent.get_submodule(name)
    except AttributeError:
        raise BadSearch(f"the model has no site {path!r}") from None
    if not activations.is_activation(child):
        raise BadSearch(f"{path!r} is no site: it holds {type(child).__name__}, not an activation")
    return parent, name
