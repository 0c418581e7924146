from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, spearmanr

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.estimators import bakeoff
from engine.estimators.bakeoff import Truth

SITES = tuple(f"model.{i}.act" for i in range(6))


def mixes(n: int) -> list[Assignment]:
    """n different assignments."""
    silu = Assignment.uniform(SITES, "silu")
    return [
        silu.replace({SITES[bit]: "relu" for bit in range(6) if number >> bit & 1})
        for number in range(n)
    ]


def truth(*seeds: Sequence[float] | NDArray) -> list[Truth]:
    rows = np.array(seeds, dtype=float).T.tolist()
    return [Truth(mix, tuple(row)) for mix, row in zip(mixes(len(rows)), rows, strict=True)]


def test_correlations_of_four_mixes_by_hand() -> None:
    known = truth([0.1, 0.2, 0.3, 0.4])
    frame = bakeoff.compare(known, {"nwot": [1, 2, 4, 3], "random": [4, 3, 2, 1]})
    assert frame["estimator"].tolist() == ["nwot", "random"]  # best first
    assert frame["spearman"].tolist() == pytest.approx([0.8, -1.0])
    assert frame["kendall"].tolist() == pytest.approx([2 / 3, -1.0])
    assert frame["margin"].tolist() == pytest.approx([0.0, -1.8])
    assert frame["mixes"].tolist() == [4, 4]
    assert frame["ceiling"].isna().all()  # one seed cannot say how well seeds agree


def test_the_ceiling_is_how_well_one_seed_ranks_another() -> None:
    known = truth([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.4, 0.3])
    frame = bakeoff.compare(known, {"nwot": [1, 2, 3, 3]})
    assert frame["ceiling"][0] == pytest.approx(0.8)
    assert frame["spearman"][0] == pytest.approx(1.0)  # ties where the mean of the seeds ties
    assert frame["share_of_ceiling"][0] == pytest.approx(1.25)
    three = truth([1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1])
    assert bakeoff.ceiling(three) == pytest.approx((0.8 - 1.0 - 0.8) / 3)


def test_lower_is_better_where_the_estimator_says_so() -> None:
    known = truth(np.linspace(0.6, 0.7, 8))
    scores = {"distortion": range(8, 0, -1), "nwot": range(8), "mine": range(8, 0, -1)}
    frame = bakeoff.compare(known, scores, higher_is_better={"mine": False})
    assert frame["spearman"].tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_a_margin_is_paired_and_its_interval_is_the_percentile_bootstrap() -> None:
    rng = np.random.default_rng(5)
    n = 24
    value = rng.normal(size=n)
    good, weak = value + 0.3 * rng.normal(size=n), value + 3.0 * rng.normal(size=n)
    known = truth(value + 0.1 * rng.normal(size=n), value + 0.1 * rng.normal(size=n))
    frame = bakeoff.compare(
        known,
        {"supernet_map": good.tolist(), "nwot": weak.tolist(), "jacob_cov": weak.tolist()},
        resamples=4000,
    ).set_index("estimator")
    mean = np.array([row.map50_95 for row in known]).mean(axis=1)

    def margin(t: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        return spearmanr(t, a).statistic - spearmanr(t, b).statistic

    independent = bootstrap(
        (mean, good, weak),
        margin,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    row = frame.loc["supernet_map"]
    assert row["margin"] == pytest.approx(margin(mean, good, weak))
    assert row["margin_low"] == pytest.approx(independent.low, abs=0.05)
    assert row["margin_high"] == pytest.approx(independent.high, abs=0.05)
    assert row["margin_low"] > 0  # it excludes 0
    same = frame.loc["jacob_cov"]  # the same scores as nwot: no margin in any sample
    assert (same["margin"], same["margin_low"], same["margin_high"]) == (0.0, 0.0, 0.0)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"] <= 1


def test_equally_good_estimators_have_no_margin_in_most_draws() -> None:
    excluded = 0
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        value = rng.normal(size=24)
        scores = {name: (value + rng.normal(size=24)).tolist() for name in ("nwot", "synflow")}
        frame = bakeoff.compare(truth(value), scores, resamples=400).set_index("estimator")
        row = frame.loc["synflow"]
        excluded += row["margin_low"] > 0 or row["margin_high"] < 0
    assert excluded <= 6  # 5 % of 40 is 2


def test_the_seed_decides() -> None:
    known = truth(np.linspace(0.1, 0.9, 12))
    scores = {"nwot": [3, 1, 2, 5, 4, 8, 6, 7, 12, 10, 9, 11], "random": list(range(12))}
    same = bakeoff.compare(known, scores, seed=2)
    assert bakeoff.compare(known, scores, seed=2).equals(same)
    assert not bakeoff.compare(known, scores, seed=3).equals(same)


def test_a_score_that_is_always_the_same_ranks_nothing() -> None:
    frame = bakeoff.compare(truth([1, 2, 3, 4, 5]), {"nwot": [7] * 5, "synflow": [-math.inf] * 5})
    assert frame["spearman"].tolist() == [0.0, 0.0]
    assert frame["kendall"].tolist() == [0.0, 0.0]
    assert frame["margin_high"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("known", "scores", "message"),
    [
        (truth([1, 2, 3]), {"nwot": [1, 2, 3]}, "3 mixes are too few"),
        (truth([1, 2, 3, 4]), {"nwot": [1, 2, 3]}, "nwot has 3 scores for 4 mixes"),
        (truth([1, 2, 3, 4]), {"nwot": [1, 2, math.nan, 4]}, "nwot has no number for mix 2"),
        (truth([1, 2, math.nan, 4]), {"nwot": [1, 2, 3, 4]}, r"is \(nan,\); expected numbers"),
        (truth([1, 2, 3, 4]), {"random": [1, 2, 3, 4]}, "no scores of 'nwot' to compare with"),
        (truth([1, 2, 3, 4]), {"naswot": [1, 2, 3, 4]}, "unknown estimator 'naswot'"),
        (truth([1, 2, 3, 4])[:3] * 2, {"nwot": range(6)}, "names a mix twice"),
        (
            [*truth([1, 2, 3, 4])[:3], Truth(mixes(4)[3], (1.0, 2.0))],
            {"nwot": range(4)},
            r"have \[1, 2\] seeds; expected the same number",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    known: list[Truth], scores: dict[str, Sequence[float]], message: str
) -> None:
    with pytest.raises(BadSearch, match=message):
        bakeoff.compare(known, scores)
