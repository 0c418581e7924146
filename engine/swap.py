"""Other activations in a torch model: one new module a site."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

from devices.assignment import Assignment
from engine import activations, sites
from engine.errors import BadSearch

__all__ = ["apply", "swapped"]

Net = TypeVar("Net", bound=nn.Module)


def apply(net: Net, assignment: Assignment) -> Net:
    """Give every site of ``assignment`` its activation, in place; returns ``net``.

    Every site gets a module of its own: a checkpoint's sites share one object, which is never
    changed. A training-only twin runs what its site runs.

    Raises:
        BadSearch: the model has no such site; nothing is changed then.
    """
    wanted = [(path, name) for site, name in assignment for path in sites.places(site)]
    for path, _ in wanted:
        _check(net, path)
    for path, name in wanted:
        sites.put(net, path, activations.module(name))
    return net


def swapped(net: Net, assignment: Assignment) -> Net:
    """A copy of ``net`` that runs ``assignment``; ``net`` is not changed.

    Raises:
        BadSearch: the model has no such site.
    """
    return apply(copy.deepcopy(net), assignment)


def _check(net: nn.Module, path: str) -> None:
    try:
        child = net.get_submodule(path)
    except AttributeError:
        raise BadSearch(f"the model has no site {path!r}") from None
    if not activations.is_activation(child):
        raise BadSearch(f"{path!r} is no site: it holds {type(child).__name__}, not an activation")
