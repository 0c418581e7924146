"""Correct a cost table with composed models that were really measured.

The additive table is a prior. A measured mix says by how much its sum is wrong; ridge regression
(engine/costs/ridge.py) spreads that over
- a scale, common and for each activation (profiles have the right order but a wrong level),
- an offset, common and for each activation (the same at every site),
- a small correction for each (site, activation),
each shrunk toward "the table was right". How freely the levels and the sites may move is chosen by
leave-one-out error, and not at all (keep the table) is one of the choices, so that few or noisy
measurements change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from devices.assignment import Assignment
from engine.costs import ridge
from engine.costs.agreement import Agreement, agreement
from engine.costs.table import CostTable, Matrix
from engine.errors import EngineError

SCALE_SD = 0.3  # of an activation's scale: profiles were off by about 10 % before calibration
OFFSET_SD = 0.03  # of an activation's offset: ratio of the whole model when used at every site
SITE_SD = 0.15  # of one entry's correction, relative to that entry's own change
SITE_FLOOR = 0.0005  # the same, absolute, as a ratio of the whole model
# What no additive table explains (neighbours' effects), as a ratio: one-swap deltas of the cost
# model add up within 0.15 %, kernels of real runtimes do not.
MISFIT = {"modelled": 0.001, "measured": 0.005, "emulated": 0.005}
# (levels, sites): multiples of the prior's standard deviations
STRENGTHS = ((0.0, 0.0), *((level, site) for level in (0.3, 1.0, 3.0) for site in (0.0, 0.3, 1.0)))


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

    ``strength`` is how freely (levels, sites) moved, 0 not at all. ``error_held_out`` is the
    leave-one-out error; the strength was chosen by it among ten, so it is slightly kind.
    ``held_out`` says the same as mean absolute error and rank correlation.
    """

    table: CostTable
    strength: tuple[float, float]
    residuals: tuple[Residual, ...]
    error_before: float
    error_after: float
    error_held_out: float
    held_out: Agreement


def refit(
    table: CostTable,
    composed: Sequence[Composed],
    *,
    strengths: Sequence[tuple[float, float]] = STRENGTHS,
) -> Refit:
    """``table`` corrected by measured mixes; the baseline's own prediction does not move.

    Of ``strengths`` (multiples of the prior's spread) the one with the least leave-one-out error
    is taken.

    Raises:
        EngineError: fewer than three measured mixes, which cannot hold one out.
    """
    if len(composed) < 3:
        raise EngineError(f"refit has {len(composed)} measured mixes; at least 3 are needed")
    features, levels, sites = _features(table)
    rows = np.array([_used(table, features, c.assignment) for c in composed])
    measured = np.array([c.ratio for c in composed])
    half = np.array([(c.high - c.low) / 2 for c in composed])
    noise = np.hypot(half / 1.96, MISFIT[table.kind])
    before = measured - np.array([table.predict_ratio(c.assignment) for c in composed])
    priors = [level * levels + site * sites for level, site in strengths]
    found = ridge.fit(rows, before, noise, priors)

    correction = np.tensordot(found.coefficients, features, axes=1)
    new = replace(
        table,
        ms=table.ms + correction * table.predict(table.baseline),
        source=f"{table.source}+refit",
    )
    after = measured - np.array([new.predict_ratio(c.assignment) for c in composed])
    residuals = tuple(
        Residual(c.assignment.hash, c.ratio, float(b), float(a), float(h))
        for c, b, a, h in zip(composed, before, after, found.held_out, strict=True)
    )
    report = Refit(
        new,
        strengths[found.which],
        residuals,
        _rms(before),
        _rms(after),
        _rms(found.held_out),
        agreement(measured - found.held_out, measured),
    )
    return replace(report, table=replace(new, details={**table.details, "refit": _json(report)}))


def _features(table: CostTable) -> tuple[Matrix, Matrix, Matrix]:
    """Basis corrections [features, sites, activations] in ratios, and the prior SD of each: first
    those of levels (0 for the others), then those of sites."""
    delta = np.nan_to_num(table.ratios)
    own = np.zeros(delta.shape, dtype=bool)
    own[np.arange(len(table.sites)), table.baseline_columns] = True
    swapped = np.where(own, 0.0, 1.0)
    basis: list[Matrix] = [delta, swapped / len(table.sites)]
    spread: list[float] = [SCALE_SD, OFFSET_SD]
    for column in range(len(table.activations)):
        only = np.zeros_like(delta)
        only[:, column] = swapped[:, column]
        basis += [only * delta, only / len(table.sites)]
        spread += [SCALE_SD, OFFSET_SD]
    levels = len(spread)
    for row, column in zip(*np.nonzero(~own), strict=True):
        one = np.zeros_like(delta)
        one[row, column] = 1.0
        basis.append(one)
        spread.append(SITE_SD * abs(float(delta[row, column])) + SITE_FLOOR)
    of_level = np.arange(len(spread)) < levels
    deviation = np.array(spread)
    return np.array(basis), np.where(of_level, deviation, 0.0), np.where(of_level, 0.0, deviation)


def _used(table: CostTable, features: Matrix, assignment: Assignment) -> Matrix:
    """What each feature adds to the ratio of ``assignment``, [features]."""
    rows = np.arange(len(table.sites))
    used: Matrix = features[:, rows, table.indices(assignment)].sum(axis=1)
    return used


def _rms(errors: Matrix) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _json(report: Refit) -> dict[str, Any]:
    return {
        "strength": list(report.strength),
        "error_before": report.error_before,
        "error_after": report.error_after,
        "error_held_out": report.error_held_out,
        "held_out": report.held_out.to_json(),
        "residuals": [asdict(residual) for residual in report.residuals],
    }
