"""Is a lease quiet enough to be believed? Judged by the baseline measured twice in it (A/A)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from devices import statistics
from devices.protocol import ArmResult, MeasureResult, Noise

NOISY = 0.02  # where a device has no floor yet, an A/A ratio further from 1 is noise
_PAUSE_S = 20.0


def pause_s() -> float:
    """Seconds between a noisy lease and the next: ACTNAS_NOISY_PAUSE_S, else 20."""
    return float(os.environ.get("ACTNAS_NOISY_PAUSE_S") or _PAUSE_S)


def same_as_baseline(result: MeasureResult) -> list[ArmResult]:
    """The arms that ran the very file of the baseline under another name."""
    base = result.arm(result.baseline)
    return [
        arm
        for arm in result.arms
        if arm.name != base.name and arm.file_sha256 == base.file_sha256 and arm.samples_ms
    ]


def judge(result: MeasureResult, checks: Sequence[float]) -> Noise | None:
    """How quiet the lease of ``result`` was; ``checks`` are the device's A/A ratios, old to new.

    With enough of them the device has a floor, and the lease is noisy if it calls the baseline
    faster or slower than itself (:func:`devices.statistics.claim`). Else the floor is the lease's
    own largest |A/A ratio - 1|, and it is noisy if that exceeds ``NOISY``. A noisy lease's floor is
    never below its own A/A. None where modelled, or where nothing tells: no floor and no A/A arm.
    """
    if result.kind != "measured":
        return None
    again = same_as_baseline(result)
    own = max((abs(arm.ratio - 1.0) for arm in again), default=0.0)
    floor = statistics.device_floor(checks)
    if floor is None:
        if not again:
            return None
        return Noise(floor=own, source="lease", checks=len(again), noisy=own > NOISY)
    claims = {
        statistics.claim(
            arm.ratio, low=arm.ratio_interval.low, high=arm.ratio_interval.high, floor=floor
        )
        for arm in again
    }
    counted = min(len(checks), statistics.FLOOR_OF)
    if claims <= {"same"}:
        return Noise(floor=floor, source="device", checks=counted, noisy=False)
    return Noise(floor=own, source="lease", checks=len(again), noisy=True)


def floor_of(result: MeasureResult) -> float:
    """The noise floor that holds for the ratios of ``result``; 0 where nothing tells."""
    found = result.noise or judge(result, ())
    return 0.0 if found is None else found.floor


def settled(
    measure: Callable[[], MeasureResult],
    *,
    checks: Sequence[float],
    pause: Callable[[float], None],
) -> MeasureResult:
    """What ``measure`` returns, judged; after a noisy lease, what a second one returns.

    Between them ``pause`` is called with seconds. The second lease counts whatever it says, so that
    nobody picks the more welcome one; noisy again, its result says so. Notes tell of both.
    """
    first = _judged(measure(), checks)
    if first.noise is None or not first.noise.noisy:
        return first
    pause(pause_s())
    second = _judged(measure(), checks)
    worst = max((arm.ratio for arm in same_as_baseline(first)), key=lambda ratio: abs(ratio - 1.0))
    notes = [
        *second.notes,
        f"measured twice: in a first lease the baseline was {worst:.3f} times itself",
    ]
    found = second.noise
    if found is not None:
        found = found.model_copy(update={"set_aside": [worst]})
        if found.noisy:
            notes.append(
                f"noisy lease: the baseline measured twice differs by {100 * found.floor:.1f} %, "
                "in the second lease, too"
            )
    return second.model_copy(update={"noise": found, "notes": notes})


def _judged(result: MeasureResult, checks: Sequence[float]) -> MeasureResult:
    return result.model_copy(update={"noise": judge(result, checks)})
