"""Cost table from random mixes: ridge regression of their ratios on one-hot site x activation.

Use it where a runtime has no profiler. It sees what a site costs among mixed neighbours, which
neither uniform models nor one-swap models show, but needs about as many mixes as sites times
activations before single sites are told apart; with fewer it knows little more than what each
activation costs on average. A table from profiles as prior saves most of them.
"""

from __future__ import annotations

import numpy as np

from devices.assignment import Assignment
from devices.protocol import MeasureResult
from engine.costs import arms, mixes, ridge
from engine.costs.agreement import agreement
from engine.costs.refit import MISFIT
from engine.costs.table import CostTable, Matrix

SOURCE = "random_design"
PROFILED = False
MIXES = 96
LEVEL_SD = 1.0  # of what an activation costs at every site, as a ratio of the whole model
# Of one site's own deviation from that, as a ratio of the whole model times the number of sites.
SITE_SDS = (0.0, 0.03, 0.1, 0.3, 1.0)


def assignments(
    original: Assignment, activations: tuple[str, ...], *, n: int = MIXES, seed: int = 0
) -> dict[str, Assignment]:
    """The original, the uniform models and ``n`` random mixes, by arm name ``mix:<number>``."""
    named = {arms.BASELINE: original}
    for name in activations:
        if original.uniform_activation != name:
            named[f"uniform:{name}"] = Assignment.uniform(original.sites, name)
    drawn = mixes.draw(original, activations, n, seed=seed)
    return {**named, **{f"mix:{number}": mix for number, mix in enumerate(drawn)}}


def table(
    result: MeasureResult,
    *,
    original: Assignment,
    activations: tuple[str, ...],
    prior: CostTable | None = None,
    n: int = MIXES,
    seed: int = 0,
) -> CostTable:
    """Cost table of the deltas (ms) that explain the mixes of :func:`assignments` best.

    A delta is that of ``prior`` (0 without one) plus one for its activation plus the site's own,
    shrunk toward 0 by as much as leave-one-out errors advise. ``details["held_out"]`` states their
    mean absolute error and rank correlation. Activations that only the original uses get a column
    that is known at its own sites alone.

    Raises:
        EngineError: an arm is missing from the result.
        BadSearch: ``prior`` is of other sites, or lacks an activation.
    """
    columns = arms.columns(original, activations)
    baseline = arms.find(result, arms.BASELINE)
    named = assignments(original, activations, n=n, seed=seed)
    found = [(mix, arms.find(result, name)) for name, mix in named.items() if name != arms.BASELINE]
    shape = (len(original), len(columns))
    column = {name: number for number, name in enumerate(columns)}
    rows = np.arange(len(original))
    own = np.array([column[name] for name in original.activations])
    expected = np.zeros(shape) if prior is None else _prior(prior, original, columns)

    used = np.zeros((len(found), *shape))
    for number, (mix, _) in enumerate(found):
        used[number, rows, [column[name] for name in mix.activations]] = 1.0
    used[:, rows, own] = 0.0  # what the original has costs nothing
    measured = np.array([arm.ratio for _, arm in found])
    half = np.array([(a.ratio_interval.high - a.ratio_interval.low) / 2 for _, a in found])
    noise = np.hypot(half / 1.96, MISFIT[result.kind])
    by_level, by_site = used.mean(axis=1), used.reshape(len(found), -1)
    features = np.hstack([by_level, by_site])
    priors = [
        np.concatenate(
            [np.full(shape[1], LEVEL_SD), np.full(by_site.shape[1], scale / len(original))]
        )
        for scale in SITE_SDS
    ]
    explained = np.nansum(used * expected, axis=(1, 2))
    fitted = ridge.fit(features, measured - 1.0 - explained, noise, priors)
    levels, deviations = np.split(fitted.coefficients, [shape[1]])
    delta: Matrix = expected + levels[None, :] / len(original) + deviations.reshape(shape)
    delta[rows, own] = 0.0
    unknown = [column[name] for name in columns if name not in activations]
    delta[np.ix_([*rows], unknown)] = np.where(
        own[:, None] == np.array(unknown, dtype=np.int64)[None, :], 0.0, np.nan
    )
    return CostTable(
        sites=original.sites,
        activations=columns,
        ms=delta * baseline.latency_ms,
        rest_ms=baseline.latency_ms,
        baseline=original,
        kind=result.kind,
        source=SOURCE,
        details={
            "mixes": len(found),
            "prior": None if prior is None else prior.source,
            "site_sd": SITE_SDS[fitted.which],
            "held_out": agreement(measured - fitted.held_out, measured).to_json(),
            "seconds": result.provenance.seconds,
        },
    )


def _prior(prior: CostTable, original: Assignment, columns: tuple[str, ...]) -> Matrix:
    """The prior's deltas in ratios, as [sites, columns] of the new table."""
    prior.indices(original)  # the sites and the original's activations must be there
    picked = [prior.rows[site] for site in original.sites]
    for name in columns:
        prior.indices(Assignment.uniform(original.sites, name))
    return prior.ratios[np.ix_(picked, [prior.columns[name] for name in columns])]
