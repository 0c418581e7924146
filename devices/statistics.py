"""What samples say: paired ratios with intervals, noise floor, *faster*, ranks with ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devices.errors import BadRequest

RESAMPLES = 2000
MODELLED_TIE = 0.01  # a cost model says nothing about differences of a percent
FLOOR_OF = 50  # latest A/A checks that make a device's noise floor
ENOUGH_CHECKS = 20  # with fewer, a lease's own A/A pair stands in for the device's floor
_NORMAL = 1.96
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_Samples = Sequence[Sequence[float]]


@dataclass(frozen=True)
class RatioEstimate:
    """Arm over baseline: the median ratio and its 95 % interval. Below 1 is faster."""

    ratio: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def ratio(
    baseline: _Samples, arm: _Samples, *, seed: int, resamples: int = RESAMPLES
) -> RatioEstimate:
    """The ratio of arm to baseline, from samples that were taken in the same rounds.

    ``baseline`` and ``arm`` hold one list a block with one latency a round, in the same order: the
    two samples of a round were taken moments apart, so whatever slows the machine for longer than
    that cancels. The estimate is the median over all rounds of arm/baseline.

    The interval resamples blocks (each has sessions of its own: the unit that really repeats), then
    rounds within each, and takes percentiles. Few blocks show too little of their own spread, so
    for n blocks its arms are stretched by sqrt(n / (n - 1)) and by Student's t over the normal
    quantile. Simulated with session effects and bursts of load, it holds the truth in 92-98 % of
    cases from two blocks of one round upwards (tests/devices/test_statistics.py).

    Raises:
        BadRequest: fewer than two blocks, ragged or unequal shapes, or a sample not above 0.
    """
    base, other = _matrix(baseline, "baseline"), _matrix(arm, "arm")
    if base.shape != other.shape:
        raise BadRequest(
            f"baseline has {base.shape[0]} blocks of {base.shape[1]} rounds, "
            f"the arm {other.shape[0]} of {other.shape[1]}; they are timed in the same rounds"
        )
    paired = np.log(other / base)
    rng = np.random.default_rng(seed)
    estimate = _estimate(paired[None])[0]
    draws = _estimate(_resample(paired, rng, resamples))
    blocks = len(paired)
    widen = np.sqrt(blocks / (blocks - 1)) * _student(blocks - 1) / _NORMAL
    low, high = estimate + widen * (np.percentile(draws, [2.5, 97.5]) - estimate)
    return RatioEstimate(
        float(np.exp(estimate)),
        float(np.exp(min(low, estimate))),
        float(np.exp(max(high, estimate))),
    )


def _estimate(paired: NDArray[np.float64]) -> NDArray[np.float64]:
    """[draws, blocks, rounds] log ratios -> [draws]."""
    result: NDArray[np.float64] = np.median(paired.reshape(len(paired), -1), axis=1)
    return result


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    return _NORMAL + (_NORMAL**3 + _NORMAL) / (4 * freedom)  # within .005 from 10 on


def _resample(
    paired: NDArray[np.float64], rng: np.random.Generator, draws: int
) -> NDArray[np.float64]:
    blocks, rounds = paired.shape
    which_block = rng.integers(blocks, size=(draws, blocks, 1))
    which_round = rng.integers(rounds, size=(draws, blocks, rounds))
    result: NDArray[np.float64] = paired[which_block, which_round]
    return result


def _matrix(samples: _Samples, name: str) -> NDArray[np.float64]:
    lengths = {len(block) for block in samples}
    if len(samples) < 2 or len(lengths) != 1 or 0 in lengths:
        raise BadRequest(
            f"{name} samples: {len(samples)} blocks of {sorted(lengths)} rounds; "
            "at least two blocks with the same number of rounds are needed"
        )
    matrix = np.asarray(samples, dtype=np.float64)
    if not (np.isfinite(matrix).all() and (matrix > 0).all()):
        raise BadRequest(f"{name} samples must be latencies above 0 ms")
    return matrix


def noise_floor(aa_ratios: Sequence[float]) -> float:
    """How far from 1 the ratio of a model to itself gets, as a share (.01 is 1 %).

    The 95th percentile of |ratio - 1| over A/A measurements, taken as an observed value: below 20
    measurements that is the largest.

    Raises:
        BadRequest: no measurement.
    """
    if not len(aa_ratios):
        raise BadRequest("no A/A measurement: a noise floor needs at least one")
    away = np.abs(np.asarray(aa_ratios, dtype=np.float64) - 1.0)
    return float(np.quantile(away, 0.95, method="higher"))


def device_floor(aa_ratios: Sequence[float]) -> float | None:
    """The noise floor of a device with these A/A checks, from old to new.

    That of its latest ``FLOOR_OF``; None with fewer than ``ENOUGH_CHECKS``.
    """
    latest = aa_ratios[-FLOOR_OF:]
    return noise_floor(latest) if len(latest) >= ENOUGH_CHECKS else None


Claim = Literal["faster", "slower", "same"]


def claim(ratio: float, *, low: float, high: float, floor: float) -> Claim:
    """What a ratio to the baseline allows to be said. Every *faster* of the project is this one.

    ``faster`` or ``slower`` only if the 95 % interval excludes 1 AND |ratio - 1| exceeds the noise
    floor; ``same`` otherwise. For a modelled ratio both ends are the ratio itself and ``floor`` is
    ``MODELLED_TIE``.
    """
    if low <= 1.0 <= high or abs(ratio - 1.0) <= floor:
        return "same"
    return "faster" if ratio < 1.0 else "slower"


@dataclass(frozen=True)
class Ranked:
    """What ranks look at: latency (ms, lower is better) and score (mAP50-95, higher is better).

    ``low`` and ``high`` bound the 95 % intervals. ``floor`` is the noise floor of the lease (.01 is
    1 %): no latency is known better than that, however narrow its interval. A modelled latency is
    exact, but two within ``MODELLED_TIE`` of each other are equal.
    """

    latency: float
    latency_low: float
    latency_high: float
    score: float
    score_low: float
    score_high: float
    floor: float = 0.0
    modelled: bool = False

    @property
    def fastest(self) -> float:
        """The least ms that it may be: the end of the interval or of the noise floor."""
        return min(self.latency_low, self.latency * (1 - self.floor))

    @property
    def slowest(self) -> float:
        """The most ms that it may be."""
        return max(self.latency_high, self.latency * (1 + self.floor))


def ranks(rows: Sequence[Ranked]) -> list[int]:
    """The rank of every row: 1 + the number of rows that beat it; ties share one.

    A row beats another if it is better beyond both intervals on latency or on score, and not worse
    beyond them on the other. A latency's interval is never narrower than the noise floor, so that
    noise decides no rank, as it decides no :func:`claim`.
    """
    return [1 + sum(beats(other, row) for other in rows if other is not row) for row in rows]


def beats(one: Ranked, other: Ranked) -> bool:
    """Whether ``one`` beats ``other``; see :func:`ranks`."""
    faster, slower = _faster(one, other), _faster(other, one)
    better, worse = one.score_low > other.score_high, other.score_low > one.score_high
    return (faster and not worse) or (better and not slower)


def _faster(one: Ranked, other: Ranked) -> bool:
    if one.modelled and other.modelled:
        return one.latency * (1 + MODELLED_TIE) < other.latency
    return one.slowest < other.fastest
