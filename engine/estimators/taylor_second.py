"""Second-order Taylor: gradient and Fisher curvature of the loss towards each swap.

Formula: with d_i the derivative of the loss of image i towards swap (s, a) as in
engine/estimators/derivatives.py, price[s, a] = mean_i d_i + 1/2 mean_i d_i^2; score = sum of the
prices of what a mix swaps, 0 for the original. Lower is better. mean_i d_i^2 is the diagonal of the
empirical Fisher matrix over the swaps, which stands for the Gauss-Newton matrix; it comes from the
same single backward pass as the first order.

Source: Theis et al., "Faster gaze prediction with dense networks and Fisher pruning", 2018 (arXiv
1801.05787), eq. 6 there for removed feature maps; LeCun et al., "Optimal Brain Damage", 1989.

What it cannot see: interactions between sites (only the diagonal is kept), curvature that Fisher
does not stand for, and what training would repair. The Fisher matrix is the curvature where the
loss is a log-likelihood and the model is right about its own errors: on a quadratic with errors of
one standard deviation it is exact, on others it is off by the square of the error. A detection loss
is a log-likelihood in its class part only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.estimators.taylor_first import TaylorFirst

__all__ = ["TaylorSecond"]


@dataclass(frozen=True, kw_only=True)
class TaylorSecond(TaylorFirst):
    """The sum of second-order prices on one batch of ``count`` labelled images."""

    name = "taylor_second"

    @staticmethod
    def price(d: NDArray[np.float64]) -> float:
        """The price of a swap from its derivative for each image, float64 [images]."""
        return float(d.mean() + np.square(d).mean() / 2)
