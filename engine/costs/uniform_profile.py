"""Cost table from per-site profiles of uniform models: as many models as activations, not sites
times activations.

What it misses: in a uniform model every neighbour runs the same activation, so a cost that comes
from *different* neighbours (a layout reorder between two kernels, a fusion that one of them breaks)
is seen everywhere or nowhere. Refit the table with composed models before believing its level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from devices.protocol import ArmResult, MeasureResult
from engine.costs import arms
from engine.costs.table import CostTable
from engine.errors import EngineError

SOURCE = "uniform_profile"
PROFILED = True


def assignments(original: Assignment, activations: tuple[str, ...]) -> dict[str, Assignment]:
    """The original and the uniform models that differ from it, by arm name."""
    named = {arms.BASELINE: original}
    for activation in arms.columns(original, activations):
        if original.uniform_activation != activation:
            named[f"uniform:{activation}"] = Assignment.uniform(original.sites, activation)
    return named


def table(
    result: MeasureResult, *, original: Assignment, activations: tuple[str, ...]
) -> CostTable:
    """Cost table of profiled site times (ms) whose uniform sums equal the measured latencies.

    A profiler slows the model down and its sum is not the latency, so each arm's profile is first
    scaled to the arm's latency (paired ratio times the baseline's latency; the scales are in
    ``details``). A table has one rest, the one of the first uniform arm; by how much another arm's
    rest differs is spread over that arm's sites in proportion to the sites' mean time.

    Where the job profiled the original twice (arm ``original again``), the two profiles tell how
    noisy a site's time is, and every site's own deviation from its activation's mean effect is
    shrunk by the share of it that is noise: on a busy machine the table falls back to "this
    activation saves the same share everywhere" instead of inventing differences between sites.

    Raises:
        EngineError: an arm or its profile is missing, or no profiled site is known.
    """
    columns = arms.columns(original, activations)
    base_ms = arms.find(result, arms.BASELINE).latency_ms
    ms = np.empty((len(original), len(columns)))
    rests = np.empty(len(columns))
    scales: dict[str, float] = {}
    for column, activation in enumerate(columns):
        own = original.uniform_activation == activation
        arm = arms.find(result, arms.BASELINE if own else f"uniform:{activation}")
        times, rest = _site_times(arm, original.sites)
        scale = arm.ratio * base_ms / (times.sum() + rest)
        ms[:, column], rests[column] = times * scale, rest * scale
        scales[activation] = float(scale)
    anchor = columns.index(original.uniform_activation or columns[0])
    share = ms.mean(axis=1) / ms.mean(axis=1).sum()
    ms += share[:, None] * (rests - rests[anchor])[None, :]
    noise = _noise(result, original.sites, ms[:, anchor])
    ms, trust = _shrunk(ms, noise)
    return CostTable(
        sites=original.sites,
        activations=columns,
        ms=ms,
        rest_ms=float(rests[anchor]),
        baseline=original,
        kind=result.kind,
        source=SOURCE,
        details={
            "scale_of_profile": scales,
            "rest_ms": dict(zip(columns, rests.tolist(), strict=True)),
            "profile_noise": None if noise is None else noise**0.5,
            "trust_in_site_differences": trust,
            "seconds": result.provenance.seconds,
        },
    )


def _noise(
    result: MeasureResult, sites: tuple[str, ...], base: NDArray[np.float64]
) -> float | None:
    """Variance of a site's profiled time relative to it, weighted by time; None without A/A."""
    if not any(arm.name == arms.AGAIN for arm in result.arms):
        return None
    first, _ = _site_times(arms.find(result, arms.BASELINE), sites)
    second, _ = _site_times(arms.find(result, arms.AGAIN), sites)
    first, second = first / first.sum(), second / second.sum()
    mean = (first + second) / 2
    there = mean > 0
    change = (first[there] - second[there]) / mean[there]
    return float(np.average(change**2 / 2, weights=base[there]))


def _shrunk(ms: NDArray[np.float64], noise: float | None) -> tuple[NDArray[np.float64], float]:
    """``ms`` with its sites' own deviations shrunk (column sums stay), and by what factor."""
    if noise is None:
        return ms, 1.0
    mean = ms.mean(axis=1, keepdims=True)
    effect = ms.sum(axis=0) / mean.sum()
    own = np.divide(ms, mean, out=np.tile(effect, (len(ms), 1)), where=mean > 0) - effect
    spread = float(np.average((own**2).mean(axis=1), weights=mean[:, 0]))
    expected = noise * (1 - 1 / ms.shape[1])
    trust = max(0.0, 1.0 - expected / spread) if spread > 0 else 1.0
    # the deviations sum to zero over the sites, weighted by time: each column keeps its sum
    return mean * (effect + trust * own), trust


def _site_times(arm: ArmResult, sites: tuple[str, ...]) -> tuple[NDArray[np.float64], float]:
    """Profiled ms of each site, [sites], and of everything else."""
    if not arm.profile:
        raise EngineError(f"arm {arm.name!r} came back without a profile; one is needed")
    by_site = dict.fromkeys(sites, 0.0)
    rest = 0.0
    for entry in arm.profile:
        if entry.site in by_site:
            by_site[entry.site] += entry.ms
        else:
            rest += entry.ms
    times = np.array(list(by_site.values()), dtype=np.float64)
    if times.sum() <= 0:
        known = ", ".join(sites[:3])
        raise EngineError(f"arm {arm.name!r}: its profile has no time at any site ({known}, ...)")
    return times, rest
