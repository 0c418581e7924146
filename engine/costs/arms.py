"""The arms of a job that fills a cost table."""

from __future__ import annotations

from collections.abc import Mapping

from devices.assignment import Assignment
from devices.protocol import Arm, ArmResult, File, MeasureJob, MeasureResult, Settings
from engine.errors import EngineError

BASELINE = "original"
AGAIN = "original again"  # the A/A arm: what the same model differs by from itself


def arm(base: File, name: str, assignment: Assignment) -> Arm:
    """The base ONNX with the activations of ``assignment``."""
    return Arm(name=name, file=base, assignment=dict(assignment.mapping))


def columns(original: Assignment, activations: tuple[str, ...]) -> tuple[str, ...]:
    """Columns of a table: the candidates, then whatever else the original uses."""
    extra = [name for name in original.counts() if name not in activations]
    return (*activations, *extra)


def job(
    *,
    id: str,
    target: str,
    base: File,
    arms: Mapping[str, Assignment],
    calibration: File | None,
    settings: Settings | None,
    profile: bool,
) -> MeasureJob:
    """One job that measures the named assignments of one base file against ``original``.

    Every way to fill a table uses it: ``arms=way.assignments(...)``, ``profile=way.PROFILED``.
    """
    return MeasureJob(
        id=id,
        target=target,
        arms=[arm(base, name, assignment) for name, assignment in arms.items()],
        baseline=BASELINE,
        calibration=calibration,
        settings=settings or Settings(),
        profile=profile,
    )


def find(result: MeasureResult, name: str) -> ArmResult:
    """The arm ``name`` of a result.

    Raises:
        EngineError: the device did not return it.
    """
    try:
        return result.arm(name)
    except KeyError:
        known = ", ".join(arm.name for arm in result.arms[:8])
        raise EngineError(f"job {result.job_id}: no arm {name!r} came back; got: {known}") from None
