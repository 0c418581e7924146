"""Correct a cost table with composed models that were really measured.

The additive table is a prior. A measured mix says by how much its sum is wrong; ridge regression
(equally: Bayesian linear regression with a Gaussian prior) spreads that over
- a scale for each activation (profiles have the right order but a wrong level),
- an offset for each activation (the same at every site),
- a small correction for each (site, activation),
each shrunk toward "the table was right". Its strength is chosen by leave-one-out error, and zero
strength (keep the table) is one of the choices, so that few or noisy measurements change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.costs.table import CostTable, Matrix
from engine.errors import EngineError

SCALE_SD = 0.3  # of an activation's scale: profiles were off by about 10 % before calibration
OFFSET_SD = 0.03  # of an activation's offset: ratio of the whole model when used at every site
SITE_SD = 0.15  # of one entry's correction, relative to that entry's own change
SITE_FLOOR = 0.0005  # the same, absolute, as a ratio of the whole model
NOISE_FLOOR = 0.001  # no measured ratio is believed to better than this
STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Composed:
    """A mix that was measured: its ratio to the baseline and the 95 % interval of that ratio."""

    assignment: Assignment
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Residual:
    """Measured minus predicted ratio of one composed model; ``held_out`` did not see it."""

    assignment: str
    measured: float
    before: float
    after: float
    held_out: float


@dataclass(frozen=True)
class Refit:
    """The corrected table and how well it fits; errors are root mean squares of ratios.

    ``error_held_out`` is the leave-one-out error. The strength was chosen by it among five, so it
    is slightly kind to the refit.
    """

    table: CostTable
    strength: float
    residuals: tuple[Residual, ...]
    error_before: float
    error_after: float
    error_held_out: float


def refit(
    table: CostTable, composed: Sequence[Composed], *, strengths: Sequence[float] = STRENGTHS
) -> Refit:
    """``table`` corrected by measured mixes; the baseline's own prediction does not move.

    Of ``strengths`` (multiples of the prior's spread) the one with the least leave-one-out error
    is taken.

    Raises:
        EngineError: fewer than three measured mixes, which cannot hold one out.
    """
    if len(composed) < 3:
        raise EngineError(f"refit has {len(composed)} measured mixes; at least 3 are needed")
    features, spread = _features(table)
    rows = np.array([_used(table, features, c.assignment) for c in composed])
    measured = np.array([c.ratio for c in composed])
    noise = np.array([max((c.high - c.low) / (2 * 1.96), NOISE_FLOOR) for c in composed])
    before = measured - np.array([table.predict_ratio(c.assignment) for c in composed])
    # Weighted by the intervals, so that one blurred measurement does not choose the strength.
    weights = noise**-2 / (noise**-2).sum()

    best: tuple[float, float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for strength in strengths:
        prior = (strength * spread) ** 2
        inverse = np.linalg.inv((rows * prior) @ rows.T + np.diag(noise**2))
        held_out = (inverse @ before) / np.diag(inverse)
        error = float(weights @ held_out**2)
        if best is None or error < best[0]:
            best = (error, strength, held_out, prior * (rows.T @ (inverse @ before)))
    assert best is not None
    _, strength, held_out, coefficients = best

    correction = np.tensordot(coefficients, features, axes=1)
    new = replace(
        table,
        ms=table.ms + correction * table.predict(table.baseline),
        source=f"{table.source}+refit",
    )
    after = measured - np.array([new.predict_ratio(c.assignment) for c in composed])
    residuals = tuple(
        Residual(c.assignment.hash, c.ratio, float(b), float(a), float(h))
        for c, b, a, h in zip(composed, before, after, held_out, strict=True)
    )
    report = Refit(new, strength, residuals, _rms(before), _rms(after), _rms(held_out))
    return replace(report, table=replace(new, details={**table.details, "refit": _json(report)}))


def _features(table: CostTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Basis corrections [features, sites, activations] in ratios, and the prior SD of each."""
    delta = np.nan_to_num(table.ratios)
    own = np.zeros(delta.shape, dtype=bool)
    own[np.arange(len(table.sites)), table.baseline_columns] = True
    basis: list[Matrix] = []
    spread: list[float] = []
    for column in range(len(table.activations)):
        only = np.zeros_like(delta)
        only[:, column] = 1.0
        only[own] = 0.0
        basis += [only * delta, only / len(table.sites)]
        spread += [SCALE_SD, OFFSET_SD]
    for row, column in zip(*np.nonzero(~own), strict=True):
        one = np.zeros_like(delta)
        one[row, column] = 1.0
        basis.append(one)
        spread.append(SITE_SD * abs(float(delta[row, column])) + SITE_FLOOR)
    return np.array(basis), np.array(spread)


def _used(
    table: CostTable, features: NDArray[np.float64], assignment: Assignment
) -> NDArray[np.float64]:
    """What each feature adds to the ratio of ``assignment``, [features]."""
    rows = np.arange(len(table.sites))
    used: NDArray[np.float64] = features[:, rows, table.indices(assignment)].sum(axis=1)
    return used


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _json(report: Refit) -> dict[str, Any]:
    return {
        "strength": report.strength,
        "error_before": report.error_before,
        "error_after": report.error_after,
        "error_held_out": report.error_held_out,
        "residuals": [asdict(residual) for residual in report.residuals],
    }
