from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from devices import statistics
from devices.errors import BadRequest
from devices.statistics import Ranked, claim, device_floor, noise_floor, ranks, ratio

Samples = list[list[float]]


def _pair(
    rng: np.random.Generator, *, blocks: int, rounds: int, true: float, session: float
) -> tuple[Samples, Samples]:
    """Log-normal latencies: a level per session, noise, bursts of load, and drift that both see."""

    def arm() -> NDArray[np.float64]:
        level = rng.normal(0, session, (blocks, 1))
        burst = (rng.random((blocks, rounds)) < 0.08) * rng.exponential(0.2, (blocks, rounds))
        noise: NDArray[np.float64] = rng.normal(0, 0.006, (blocks, rounds))
        return level + noise + burst

    drift = np.cumsum(rng.normal(0, 0.02, (blocks, 1)), axis=0)
    base = 10 * np.exp(arm() + drift)
    other = 10 * true * np.exp(arm() + drift)
    return base.tolist(), other.tolist()


def test_an_exact_ratio_has_no_width() -> None:
    base = [[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]
    found = ratio(base, [[x * 0.8 for x in block] for block in base], seed=0)
    assert found.ratio == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8)
    assert found.high == pytest.approx(0.8)


def test_a_slow_spell_that_both_arms_see_cancels() -> None:
    rng = np.random.default_rng(5)
    base, arm = _pair(rng, blocks=8, rounds=6, true=0.9, session=0.002)
    slow = [[x * (3 if i % 2 else 1) for x in block] for i, block in enumerate(base)]
    slow_arm = [[x * (3 if i % 2 else 1) for x in block] for i, block in enumerate(arm)]
    assert ratio(slow, slow_arm, seed=0).ratio == pytest.approx(ratio(base, arm, seed=0).ratio)


def test_the_same_seed_gives_the_same_interval() -> None:
    base, arm = _pair(np.random.default_rng(1), blocks=5, rounds=6, true=0.9, session=0.01)
    assert ratio(base, arm, seed=3) == ratio(base, arm, seed=3)
    assert ratio(base, arm, seed=3) != ratio(base, arm, seed=4)


@pytest.mark.parametrize(
    ("blocks", "rounds", "session"),
    [(2, 2, 0.006), (3, 6, 0.012), (5, 10, 0.006), (10, 6, 0.012), (20, 10, 0.003)],
)
def test_the_interval_holds_the_truth(blocks: int, rounds: int, session: float) -> None:
    rng = np.random.default_rng(100 * blocks + rounds)
    held = 0
    for seed in range(200):
        base, arm = _pair(rng, blocks=blocks, rounds=rounds, true=0.95, session=session)
        found = ratio(base, arm, seed=seed, resamples=300)
        held += found.low <= 0.95 <= found.high
    assert held >= 0.91 * 200


def test_more_blocks_narrow_the_interval() -> None:
    rng = np.random.default_rng(2)
    base, arm = _pair(rng, blocks=40, rounds=6, true=0.95, session=0.006)
    wide = ratio(base[:5], arm[:5], seed=0).half_width
    assert ratio(base, arm, seed=0).half_width < 0.6 * wide


def test_sessions_count_and_not_rounds() -> None:
    """Many rounds of few sessions must not look sure: the level of a session repeats in each."""
    rng = np.random.default_rng(7)
    base, arm = _pair(rng, blocks=5, rounds=200, true=1.0, session=0.02)
    assert ratio(base, arm, seed=0).half_width > 0.01


@pytest.mark.parametrize(
    ("baseline", "arm", "message"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], "at least two blocks"),
        ([[1.0], [2.0]], [[1.0], [2.0, 3.0]], "same number of rounds"),
        ([[1.0], [0.0]], [[1.0], [2.0]], "above 0"),
        ([[1.0], [float("nan")]], [[1.0], [2.0]], "above 0"),
        ([[1.0], [1.0]], [[1.0], [1.0], [1.0]], "2 blocks"),
        ([[1.0, 1.0], [1.0, 1.0]], [[1.0], [1.0]], "rounds"),
    ],
)
def test_samples_that_are_none_are_refused(baseline: Samples, arm: Samples, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        ratio(baseline, arm, seed=0)


def test_noise_floor_is_the_largest_of_few() -> None:
    assert noise_floor([1.004, 0.993, 1.001]) == pytest.approx(0.007)
    with pytest.raises(BadRequest, match="at least one"):
        noise_floor([])


def test_a_device_has_a_floor_from_its_latest_checks_once_they_are_enough() -> None:
    assert device_floor([1.5] * 19) is None
    assert device_floor([1.001] * 20) == pytest.approx(0.001)
    # Of 50 the 95th percentile leaves two out; the 51st from the end is forgotten.
    assert device_floor([2.0, *[1.001] * 48, 0.9, 1.2]) == pytest.approx(0.001)
    assert device_floor([2.0, *[1.001] * 47, 0.98, 0.9, 1.2]) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("ratio", "low", "high", "floor", "said"),
    [
        (0.90, 0.89, 0.91, 0.01, "faster"),
        (1.10, 1.09, 1.11, 0.01, "slower"),
        (0.90, 0.79, 1.01, 0.01, "same"),  # the interval holds 1
        (0.90, 0.80, 1.00, 0.01, "same"),
        (0.99, 0.985, 0.995, 0.02, "same"),  # surely below 1, but nearer than the floor
        (0.981, 0.975, 0.985, 0.02, "same"),
        (1.01, 1.005, 1.015, 0.02, "same"),
        (0.999, 0.998, 0.9995, 0.0, "faster"),
        (0.985, 0.985, 0.985, 0.01, "faster"),  # modelled
        (0.995, 0.995, 0.995, 0.01, "same"),
    ],
)
def test_faster_needs_the_interval_and_the_noise_floor(
    ratio: float, low: float, high: float, floor: float, said: str
) -> None:
    assert claim(ratio, low=low, high=high, floor=floor) == said


def test_noise_floor_leaves_out_the_worst_of_many() -> None:
    assert noise_floor([1.0 + 0.001 * i for i in range(100)]) == pytest.approx(0.095)


def _row(latency: float, score: float, *, modelled: bool = False) -> Ranked:
    return Ranked(
        latency=latency,
        latency_low=latency - 0.1,
        latency_high=latency + 0.1,
        score=score,
        score_low=score - 0.01,
        score_high=score + 0.01,
        modelled=modelled,
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(10, 0.7), (9, 0.7)], [2, 1]),  # faster, score ties
        ([(10, 0.7), (10, 0.8)], [2, 1]),  # better, latency ties
        ([(10, 0.8), (9, 0.7)], [1, 1]),  # one each: neither beats the other
        ([(10, 0.7), (10.1, 0.705)], [1, 1]),  # both within the intervals
        ([(10, 0.7), (9, 0.8), (8, 0.9)], [3, 2, 1]),
        ([(10, 0.8), (9, 0.7), (9, 0.9)], [2, 2, 1]),  # two share second place
        ([(10, 0.7)], [1]),
        ([], []),
    ],
)
def test_ranks(rows: list[tuple[float, float]], expected: list[int]) -> None:
    assert ranks([_row(*row) for row in rows]) == expected


@pytest.mark.parametrize(
    ("floor", "other", "expected"),
    [
        (0.0, 0.0, [2, 1]),  # their intervals are apart
        (0.01, 0.01, [2, 1]),
        (0.02, 0.02, [1, 1]),  # 10 ms and 9.7 ms, each within 2 %
    ],
)
def test_no_rank_within_the_noise_floor(floor: float, other: float, expected: list[int]) -> None:
    slow, fast = _row(10, 0.7), _row(9.7, 0.7)
    assert ranks([replace(slow, floor=floor), replace(fast, floor=other)]) == expected


def test_modelled_latencies_tie_within_a_percent() -> None:
    rows = [_row(100, 0.7, modelled=True), _row(99.2, 0.7, modelled=True)]
    assert ranks(rows) == [1, 1]
    assert ranks([rows[0], _row(98, 0.7, modelled=True)]) == [2, 1]


@given(
    st.lists(
        st.builds(
            lambda latency, score, floor: replace(_row(latency, score), floor=floor),
            st.floats(1, 20),
            st.floats(0.1, 0.9),
            st.floats(0, 0.2),
        ),
        max_size=8,
    )
)
def test_beating_is_never_mutual_and_somebody_is_first(rows: list[Ranked]) -> None:
    found = ranks(rows)
    assert not rows or min(found) == 1
    assert all(1 <= rank <= len(rows) for rank in found)
    assert not any(statistics.beats(a, b) and statistics.beats(b, a) for a in rows for b in rows)
