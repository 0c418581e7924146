"""NWOT: how differently the images of a batch switch the activations of a model on and off.

Formula: c_i is the binary code of image i, 1 where the input of an activation is above 0, taken at
the input of EVERY site; K[i, j] = number of places at which c_i and c_j agree; score = ln |det K|.
Every batch of images passes with BatchNorm on that batch's own statistics.

Source: Mellor, Turner, Storkey, Crowley, "Neural Architecture Search without Training", ICML 2021
(arXiv 2006.04647), there for ReLU networks at initialisation; here with the weights of ``net`` and
for any activation, by the sign of its input.

What it cannot see: a swap at a site whose output reaches no other site (the last ones of the head
always score as the original does), the shape of an activation beyond what it does to later signs,
and the labels. It agrees little between seeds on models that differ in one site; average several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators.sampling import draw

__all__ = ["score"]


def score(
    net: nn.Module,
    assignments: Sequence[Assignment],
    *,
    images: NDArray[np.uint8],
    seed: int = 0,
    batch: int = 16,
    repeats: int = 1,
    pause: Callable[[], None] | None = None,
) -> list[float]:
    """ln |det K| of each assignment, the mean of ``repeats`` batches of ``batch`` images.

    The batches are the same for every assignment and are drawn from ``images`` (uint8 [n, 3, s,
    s]) by ``seed``. minus infinity where two images of a batch have the same code.

    Raises:
        BadSearch: fewer than two images, or the model has no such site.
    """
    batches = [draw(images, batch, seed=seed + repeat) for repeat in range(repeats)]
    scores = []
    for assignment in assignments:
        if pause is not None:
            pause()
        mixed = swap.swapped(net, assignment)
        values = [_log_determinant(_kernel(mixed, assignment.sites, part)) for part in batches]
        scores.append(float(np.mean(values)))
    return scores


def _kernel(net: nn.Module, sites: Sequence[str], images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """K [n, n], summed over the inputs of all ``sites``."""
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def count(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        code = (inputs[0] > 0).flatten(1).float()
        # agreement = both on + both off; counts stay exact in float32 below 2**24 places
        both = code @ code.T
        on = code.sum(1)
        kernel.add_((code.shape[1] - on[:, None] - on[None, :] + 2 * both).double().cpu())

    handles = [net.get_submodule(site).register_forward_pre_hook(count) for site in sites]
    net.eval()
    for layer in net.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()  # statistics of this batch; `net` is a copy, so its own may change
    device = next(net.parameters()).device
    try:
        with torch.no_grad():
            net(torch.from_numpy(images).to(device).float() / 255)
    finally:
        for handle in handles:
            handle.remove()
    return kernel.numpy()


def _log_determinant(kernel: NDArray[np.float64]) -> float:
    return float(np.linalg.slogdet(kernel)[1])
