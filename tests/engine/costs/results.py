"""Results of a pretended device, whose true cost per site is known."""

from __future__ import annotations

from collections.abc import Callable

from devices.assignment import Assignment
from devices.protocol import (
    ArmResult,
    Interval,
    MeasureJob,
    MeasureResult,
    Memory,
    Provenance,
    SiteTime,
)

SITES = ("model.0.act", "model.1.act", "model.2.act", "model.3.act")
SHARE = {"silu": 1.0, "relu": 0.5, "hardswish": 0.7}  # of a site's own weight
WEIGHT = {site: 1.0 + row for row, site in enumerate(SITES)}
REST = 5.0
SILU = Assignment.uniform(SITES, "silu")


def true_ms(assignment: Assignment) -> float:
    """What the pretended device really needs for a mix, ms."""
    return REST + sum(WEIGHT[site] * SHARE[activation] for site, activation in assignment)


def answer(
    job: MeasureJob,
    *,
    slowdown: float = 1.0,
    memory: Callable[[Assignment], float] | None = None,
) -> MeasureResult:
    """The job's result; profiling slows the device down by ``slowdown``."""
    base = next(arm for arm in job.arms if arm.name == job.baseline)
    assert base.assignment is not None
    base_ms = true_ms(Assignment.from_mapping(base.assignment))
    arms = []
    for arm in job.arms:
        assert arm.assignment is not None
        mix = Assignment.from_mapping(arm.assignment)
        ratio = true_ms(mix) / base_ms
        profile = [SiteTime(site=s, ms=slowdown * WEIGHT[s] * SHARE[a]) for s, a in mix]
        profile.append(SiteTime(site="", ms=slowdown * REST))
        arms.append(
            ArmResult(
                name=arm.name,
                file_sha256="0" * 64,
                latency_ms=ratio * base_ms,
                ratio=ratio,
                ratio_interval=Interval(low=ratio - 0.002, high=ratio + 0.002),
                samples_ms=[],
                memory=Memory(value=memory(mix), unit="KiB", meaning="peak") if memory else None,
                profile=profile if job.profile else None,
            )
        )
    return answer_with(job, arms)


def answer_with(job: MeasureJob, arms: list[ArmResult]) -> MeasureResult:
    """A result of the job with these arms."""
    return MeasureResult(
        job_id=job.id,
        target=job.target,
        kind="measured",
        baseline=job.baseline,
        arms=arms,
        stopped="interval",
        provenance=Provenance(harness="1", machine={}, versions={}, started_at="", seconds=1.0),
    )
