"""First-order Taylor: what each swap does to the loss by its gradient, added up for a mix.

Formula: price[s, a] = <dL/dy_s, a(x_s) - act_s(x_s)>, with x_s and y_s input and output of site s
in the original and L the detection loss on one labelled batch; score = sum of the prices of what a
mix swaps, 0 for the original. Lower is better. BatchNorm takes the batch's own statistics, so that
the gradient knows what a swap does to them. ONE forward and ONE backward pass serve all sites and
candidates (engine/estimators/derivatives.py).

Source: Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference",
ICLR 2017 (arXiv 1611.06440), which removes a feature where this replaces it.

What it cannot see: curvature and interactions (a swap moves an output far; at a minimum of the loss
the gradient is 0 and says nothing), that boxes are assigned to other anchors once outputs move (the
loss takes its targets as fixed), and what training would repair. Exact where the loss is linear in
the outputs of the sites.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import sites, swap
from engine.estimators import derivatives, prices
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import batch_statistics, labelled, loss

__all__ = ["TaylorFirst"]


@dataclass(frozen=True, kw_only=True)
class TaylorFirst(Estimator):
    """The sum of first-order prices on one batch of ``count`` labelled images."""

    name = "taylor_first"
    unit = "detection loss"
    higher_is_better = False
    needs = frozenset({"labels"})

    count: int = 16

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.split is not None
        original = sites.original(net, inputs.split.images.shape[-1])
        wanted = prices.swaps(original, assignments)
        copy = swap.swapped(net, original)
        batch_statistics(copy)
        where = next(copy.parameters()).device
        batch = labelled(inputs.split, self.count, seed=seed, where=where)
        pause()
        along = derivatives.along(copy, wanted, loss=partial(loss, batch=batch))
        table = {pair: self.price(d) for pair, d in along.items()}
        for assignment in assignments:
            yield prices.of_mix(original, assignment, table)

    @staticmethod
    def price(d: NDArray[np.float64]) -> float:
        """The price of a swap from its derivative for each image, float64 [images]."""
        return float(d.mean())
