"""How well predicted ratios agree with measured ones that the prediction did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr, t

Ratios = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Over ``n`` mixes: mean absolute error of the ratio, half the width of its 95 % interval
    (infinite for a single mix), and Spearman's rank correlation (None where it has no meaning:
    fewer than three mixes, or all equal)."""

    mean_abs_error: float
    half_width: float
    spearman: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["half_width"] = self.half_width if np.isfinite(self.half_width) else None
        return document


def agreement(predicted: Ratios, measured: Ratios) -> Agreement:
    """The agreement of ``predicted`` with ``measured``, one or more ratios in the same order."""
    guess, truth = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    errors, n = np.abs(guess - truth), len(truth)
    half = float(t.ppf(0.975, n - 1) * errors.std(ddof=1) / n**0.5) if n > 1 else float("inf")
    rank: float | None = None
    if n >= 3 and np.ptp(guess) > 0 and np.ptp(truth) > 0:
        rank = float(spearmanr(guess, truth).statistic)
    return Agreement(float(errors.mean()), half, rank, n)
