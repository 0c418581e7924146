"""How well each estimator ranks mixes whose mAP after training is known.

>>> frame = bakeoff.compare(truth, {"nwot": nwot_scores, "supernet_map": supernet_scores})
>>> frame[["estimator", "spearman", "share_of_ceiling", "margin", "margin_low"]]
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.estimators import get

__all__ = ["RESAMPLES", "Truth", "ceiling", "compare"]

RESAMPLES = 2000
FEWEST = 4  # mixes; the ranks of fewer say nothing

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """One mix that was trained: its mAP50-95 (a fraction), one for each seed."""

    assignment: Assignment
    map50_95: tuple[float, ...]


def compare(
    truth: Sequence[Truth],
    scores: Mapping[str, Sequence[float]],
    *,
    against: str = "nwot",
    higher_is_better: Mapping[str, bool] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """One row an estimator, best first; every correlation is with the truth's mean over its seeds.

    ``scores`` holds one number a mix, in the order of ``truth`` and in the estimator's own unit:
    which way it points is looked up by name, or in ``higher_is_better`` for names that are no
    estimator's. A score that is the same for all mixes ranks nothing: its correlation is 0.

    Columns:
        ``estimator``, ``mixes``, ``seeds``;
        ``spearman`` and ``kendall`` (tau-b), positive where the estimator ranks as the truth does,
        with ``spearman_low`` and ``spearman_high``;
        ``ceiling``: what :func:`ceiling` says of the truth, NaN for a single seed, and
        ``share_of_ceiling`` = spearman / ceiling;
        ``against``, ``margin`` = spearman - that of ``against``, ``margin_low``, ``margin_high``.
        Intervals are 95 % of ``resamples`` bootstrap samples of the mixes, the same for every
        estimator, so that a margin is paired.

    Raises:
        BadSearch: too few mixes, a mix named twice, unequal lengths or numbers of seeds, a score
            or mAP that is no number, an unknown estimator, or no scores for ``against``.
    """
    values = _truth(truth)
    oriented = {
        name: _oriented(name, numbers, len(truth), higher_is_better or {})
        for name, numbers in scores.items()
    }
    if against not in oriented:
        raise BadSearch(f"no scores of {against!r} to compare with; given: {', '.join(oriented)}")
    mean = values.mean(axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(truth), size=(resamples, len(truth)))
    samples = {name: _spearman(mean[drawn], numbers[drawn]) for name, numbers in oriented.items()}
    whole = {name: float(_spearman(mean, numbers)) for name, numbers in oriented.items()}
    top = ceiling(truth)
    rows = []
    for name, numbers in oriented.items():
        low, high = _interval(samples[name])
        margin_low, margin_high = _interval(samples[name] - samples[against])
        rows.append(
            {
                "estimator": name,
                "mixes": len(truth),
                "seeds": values.shape[1],
                "spearman": whole[name],
                "spearman_low": low,
                "spearman_high": high,
                "kendall": _kendall(mean, numbers),
                "ceiling": top,
                "share_of_ceiling": whole[name] / top if top > 0 else float("nan"),
                "against": against,
                "margin": whole[name] - whole[against],
                "margin_low": margin_low,
                "margin_high": margin_high,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values("spearman", ascending=False, kind="stable").reset_index(drop=True)


def ceiling(truth: Sequence[Truth]) -> float:
    """How well one seed of the truth ranks another: the mean Spearman over all pairs of seeds.

    NaN for a single seed. An estimator is correlated with the mean over seeds, which is less noisy
    than one of them, so it can come out a little above this.

    Raises:
        BadSearch: as :func:`compare`.
    """
    values = _truth(truth)
    pairs = itertools.combinations(range(values.shape[1]), 2)
    found = [float(_spearman(values[:, a], values[:, b])) for a, b in pairs]
    return float(np.mean(found)) if found else float("nan")


def _truth(truth: Sequence[Truth]) -> Array:
    """mAP [mixes, seeds]."""
    if len(truth) < FEWEST:
        raise BadSearch(f"{len(truth)} mixes are too few to rank; at least {FEWEST} are needed")
    if len({row.assignment for row in truth}) != len(truth):
        raise BadSearch("the truth names a mix twice; give one row a mix with all its seeds")
    seeds = {len(row.map50_95) for row in truth}
    if len(seeds) != 1 or seeds == {0}:
        raise BadSearch(f"the mixes have {sorted(seeds)} seeds; expected the same number for all")
    values = np.array([row.map50_95 for row in truth], dtype=np.float64)
    if not np.isfinite(values).all():
        row = truth[int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])]
        raise BadSearch(f"the mAP of mix {row.assignment.hash} is {row.map50_95}; expected numbers")
    return values


def _oriented(
    name: str, numbers: Sequence[float], mixes: int, higher_is_better: Mapping[str, bool]
) -> Array:
    """The scores with higher meaning better."""
    up = higher_is_better[name] if name in higher_is_better else get(name).higher_is_better
    values = np.asarray(numbers, dtype=np.float64)
    if values.shape != (mixes,):
        raise BadSearch(f"{name} has {values.size} scores for {mixes} mixes; expected one a mix")
    if np.isnan(values).any():
        raise BadSearch(f"{name} has no number for mix {int(np.isnan(values).argmax())} of {mixes}")
    return values if up else -values


def _spearman(a: Array, b: Array) -> Array:
    """Spearman's correlation along the last axis, with ties at their mean rank; 0 if one side has
    only ties. Infinities rank last, or first."""
    ranks = [rankdata(side, axis=-1) for side in (a, b)]
    x, y = (side - side.mean(axis=-1, keepdims=True) for side in ranks)
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.divide((x * y).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)


def _kendall(a: Array, b: Array) -> float:
    value = float(kendalltau(rankdata(a), rankdata(b)).statistic)
    return 0.0 if np.isnan(value) else value


def _interval(samples: Array) -> tuple[float, float]:
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), float(high)
