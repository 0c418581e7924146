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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import batch_statistics, draw, pixels

__all__ = ["Nwot"]


@dataclass(frozen=True, kw_only=True)
class Nwot(Estimator):
    """ln |det K|, the mean of ``repeats`` batches of ``batch`` images.

    The batches are the same for every assignment and are drawn by the seed. minus infinity where
    two images of a batch have the same code.
    """

    name = "nwot"
    unit = "log determinant"
    higher_is_better = True
    needs = frozenset({"images"})

    batch: int = 16
    repeats: int = 1

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.images is not None
        batches = [
            draw(inputs.images, self.batch, seed=seed + repeat) for repeat in range(self.repeats)
        ]
        for assignment in assignments:
            mixed = swap.swapped(net, assignment)
            values = []
            for part in batches:
                pause()
                values.append(_log_determinant(_kernel(mixed, assignment.sites, part)))
            yield float(np.mean(values))


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
    batch_statistics(net)  # `net` is a copy, so its own statistics may change
    try:
        with torch.no_grad():
            net(pixels(net, images))
    finally:
        for handle in handles:
            handle.remove()
    return kernel.numpy()


def _log_determinant(kernel: NDArray[np.float64]) -> float:
    return float(np.linalg.slogdet(kernel)[1])
