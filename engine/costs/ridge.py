"""Ridge regression with a known prior and known noise, its strength chosen by leave-one-out error.

Equally: Bayesian linear regression with a Gaussian prior around zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """``coefficients`` [features] under prior number ``which``, and their standard deviations
    ``spread``; ``held_out`` [rows] is what is left of each row's value by the fit that did not see
    it, ``error`` its weighted mean square."""

    which: int
    coefficients: Vector
    spread: Vector
    held_out: Vector
    error: float


def fit(rows: NDArray[np.float64], values: Vector, noise: Vector, priors: Sequence[Vector]) -> Fit:
    """Fit ``values`` [rows] by ``rows`` [rows, features] under the best of ``priors``.

    A prior is the standard deviation of each coefficient around 0, [features]; ``noise`` that of
    each value. Leave-one-out errors are weighted by the noise, so that one blurred measurement does
    not choose the prior; all are had from one inverse. Of equal errors the first prior is taken.
    """
    weights = noise**-2 / (noise**-2).sum()
    best: Fit | None = None
    for which, deviation in enumerate(priors):
        prior = deviation**2
        inverse = np.linalg.inv((rows * prior) @ rows.T + np.diag(noise**2))
        held_out = (inverse @ values) / np.diag(inverse)
        error = float(weights @ held_out**2)
        if best is None or error < best.error:
            gain = prior[:, None] * rows.T
            known = prior - np.einsum("fr,rq,fq->f", gain, inverse, gain, optimize=True)
            spread = np.sqrt(np.maximum(known, 0.0))
            best = Fit(which, gain @ (inverse @ values), spread, held_out, error)
    assert best is not None
    return best
