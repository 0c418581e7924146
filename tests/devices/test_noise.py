"""Quiet leases are believed, noisy ones measured again and flagged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices import noise
from devices.protocol import ArmResult, Interval, MeasureResult, Provenance

QUIET = [1.001] * 30  # A/A ratios of a device whose floor is 0.1 %


def lease(again: float, *, half: float = 0.002, kind: str = "measured") -> MeasureResult:
    """A lease with a model, a faster one, and the first one again."""

    def arm(name: str, ratio: float, file: str) -> ArmResult:
        return ArmResult(
            name=name,
            file_sha256=file,
            latency_ms=10 * ratio,
            ratio=ratio,
            ratio_interval=Interval(low=ratio - half, high=ratio + half),
            samples_ms=[[10.0 * ratio]] * 2,
        )

    return MeasureResult.model_validate(
        {
            "job_id": "a",
            "target": "cpu-onnxruntime-fp32",
            "kind": kind,
            "baseline": "base",
            "arms": [arm("base", 1.0, "a"), arm("fast", 0.8, "b"), arm("again", again, "a")],
            "stopped": "interval",
            "provenance": Provenance(
                harness="1", machine={}, versions={}, started_at="", seconds=1
            ),
        }
    )


@pytest.mark.parametrize(
    ("again", "half", "checks", "floor", "source", "noisy"),
    [
        (1.0005, 0.002, QUIET, 0.001, "device", False),
        (1.004, 0.005, QUIET, 0.001, "device", False),  # its interval holds 1
        (1.004, 0.002, QUIET, 0.004, "lease", True),  # told from itself
        (0.99, 0.002, QUIET[:19], 0.01, "lease", False),  # too few checks: its own A/A
        (0.97, 0.002, [], 0.03, "lease", True),
        (0.97, 0.05, [], 0.03, "lease", True),  # a wide interval is no excuse without a history
    ],
)
def test_a_lease_is_judged_by_the_baseline_measured_twice(
    again: float, half: float, checks: list[float], floor: float, source: str, noisy: bool
) -> None:
    found = noise.judge(lease(again, half=half), checks)
    assert found is not None
    assert found.floor == pytest.approx(floor)
    assert (found.source, found.noisy) == (source, noisy)


def test_what_is_modelled_has_no_noise() -> None:
    assert noise.judge(lease(1.0, kind="modelled"), QUIET) is None
    assert noise.floor_of(lease(1.0, kind="modelled")) == 0.0


class Leases:
    """Hands out leases in turn and remembers the pauses between them."""

    def __init__(self, *again: float) -> None:
        self._rest: Iterator[MeasureResult] = iter([lease(ratio) for ratio in again])
        self.pauses: list[float] = []

    def settle(self) -> MeasureResult:
        return noise.settled(lambda: next(self._rest), checks=QUIET, pause=self.pauses.append)


def test_a_quiet_lease_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    leases = Leases(1.0)
    result = leases.settle()
    assert (leases.pauses, result.notes) == ([], [])
    assert result.noise is not None
    assert result.noise.set_aside == []


def test_a_noisy_lease_is_measured_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTNAS_NOISY_PAUSE_S", "7")
    leases = Leases(1.03, 1.0)
    result = leases.settle()
    assert leases.pauses == [7.0]
    assert result.noise is not None
    assert (result.noise.noisy, result.noise.set_aside) == (False, [1.03])
    assert result.notes == ["measured twice: in a first lease the baseline was 1.030 times itself"]


def test_noisy_twice_is_published_with_a_flag_and_the_second_counts() -> None:
    leases = Leases(0.96, 1.05, 1.0)
    result = leases.settle()
    assert len(leases.pauses) == 1
    assert result.arm("again").ratio == 1.05  # though the first was nearer to 1
    assert result.noise is not None
    assert result.noise.noisy
    assert result.noise.floor == pytest.approx(0.05)
    assert "noisy lease: the baseline measured twice differs by 5.0 %" in result.notes[1]
