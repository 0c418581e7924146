"""The derivative of a loss towards every swap, all from one backward pass.

Site s puts out y = act(x). Let it put out y + t (a(x) - act(x)) instead: t = 0 is the original,
t = 1 the swap to a. For image i of N,

    d_i = N <dL/dy_i, a(x_i) - act(x_i)>,    mean over i of d_i = dL/dt at t = 0.

x, y and dL/dy of all sites come from one forward and one backward pass; the candidates then cost
one activation each and no pass at all. With BatchNorm on the batch's own statistics dL/dy includes
what a swap does to them, to first order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine import activations, sites
from engine.estimators.prices import Swap

__all__ = ["along"]


def along(
    net: nn.Module, swaps: Sequence[Swap], *, loss: Callable[[nn.Module], torch.Tensor]
) -> dict[Swap, NDArray[np.float64]]:
    """d [images] of every swap, in units of ``loss``, which runs ``net`` once and gives a scalar.

    Every site of ``net`` must have an activation module of its own (engine.swap gives it one).
    ``net`` is used up: its parameters end up with ``requires_grad``. Where a training-only twin of
    a site took part in the loss, the swap is made in both. A site without influence gets 0.
    """
    if not swaps:
        return {}
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def record(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
            seen[path] = (inputs[0], y)

        return hook

    places = {site: sites.places(site) for site, _ in swaps}
    for parameter in net.parameters():
        parameter.requires_grad_(True)  # checkpoints come frozen
    handles = [
        net.get_submodule(path).register_forward_hook(record(path))
        for paths in places.values()
        for path in paths
    ]
    try:
        total = loss(net)
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(total, [y for _, y in seen.values()], allow_unused=True)
    pull = dict(zip(seen, gradients, strict=True))
    found = {}
    for site, activation in swaps:
        module = activations.module(activation)
        d: NDArray[np.float64] | float = 0.0
        for path in places[site]:
            if path in seen:
                d = d + _one(*seen[path], pull[path], module)
        found[site, activation] = np.asarray(d, dtype=np.float64)
    return found


def _one(
    x: torch.Tensor, y: torch.Tensor, gradient: torch.Tensor | None, module: nn.Module
) -> NDArray[np.float64]:
    if gradient is None:
        return np.zeros(len(y))
    with torch.no_grad():
        products = gradient.double() * (module(x) - y).double()
    return len(y) * products.flatten(1).sum(1).cpu().numpy()
