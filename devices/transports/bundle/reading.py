"""Reads what a bundle brings back, and holds it against the jobs that were asked."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from devices import HARNESS_VERSION, statistics, targets
from devices.errors import BadRequest
from devices.protocol import ArmResult, MeasureJob, MeasureResult
from devices.transports.bundle.documents import MANIFEST, Bundle, Results

MAX_BYTES = 64 << 20
OTHER_DRAWS = 0.25  # of half an interval: how far its ends may be from those of our own draws


def read(path: Path) -> Results:
    """The results that the file ``path`` holds.

    Raises:
        BadRequest: it cannot be read, is too large, or is no results.json of this version.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadRequest(
                f"{path.name}: {size >> 20} MiB; results up to {MAX_BYTES >> 20} MiB are accepted"
            )
        results = Results.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadRequest(f"{path.name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadRequest(f"{path.name} is no results.json: {where}: {first['msg']}") from None
    if results.harness != HARNESS_VERSION:
        raise BadRequest(
            f"{path.name} was measured by version {results.harness} of the harness; "
            f"version {HARNESS_VERSION} is accepted"
        )
    return results


def manifest(folder: Path) -> Bundle:
    """What the bundle in ``folder`` asks for.

    Raises:
        BadRequest: there is none.
    """
    try:
        return Bundle.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise BadRequest(f"{folder} holds no bundle: {error.strerror}") from None
    except ValidationError as error:
        raise BadRequest(f"{folder / MANIFEST}: {error.errors()[0]['msg']}") from None


def check(result: MeasureResult, job: MeasureJob) -> None:
    """Whether ``result`` answers ``job``: its arms, its files, and figures that its samples give.

    Raises:
        BadRequest: it does not; the message names the first thing that is wrong.
    """
    target = targets.get(job.target)
    said = (result.job_id, result.target, result.kind, result.baseline)
    asked = (job.id, job.target, target.kind, job.baseline)
    if said != asked:
        raise BadRequest(f"the result is of {said}, the job asks for {asked}")
    names = [arm.name for arm in result.arms]
    if names != [arm.name for arm in job.arms]:
        raise BadRequest(f"job {job.id!r}: the result's arms are not those of the job")
    _check_files(result, job)
    for found in result.arms:
        _check_figures(found, result.arm(job.baseline), result, job.settings.seed)


def _check_files(result: MeasureResult, job: MeasureJob) -> None:
    """A file that was ready is the one that was measured, and arms of one file and one assignment
    were measured as one file: an A/A pair stays one."""
    files: dict[tuple[object, ...], str] = {}
    for arm in job.arms:
        found = result.arm(arm.name).file_sha256
        if arm.ready and found != arm.file.sha256:
            raise BadRequest(f"job {job.id!r}, arm {arm.name!r}: another file was measured")
        same = (arm.file.sha256, *sorted((arm.assignment or {}).items()))
        if files.setdefault(same, found) != found:
            raise BadRequest(
                f"job {job.id!r}, arm {arm.name!r}: another file than that of an equal arm was "
                "measured"
            )


def _check_figures(found: ArmResult, base: ArmResult, result: MeasureResult, seed: int) -> None:
    """Everything that is claimed of a model later is what its samples say."""
    ends = found.ratio_interval
    if result.kind == "measured":
        own = statistics.ratio(base.samples_ms, found.samples_ms, seed=seed)
        latency = float(np.median([ms for block in found.samples_ms for ms in block]))
        room = OTHER_DRAWS * own.half_width  # another version of NumPy may draw other resamples
        ratio, low, high = own.ratio, own.low, own.high
    else:
        latency, room = found.latency_ms, 0.0
        ratio = low = high = found.latency_ms / base.latency_ms
    for what, value, expected, away in (
        ("latency", found.latency_ms, latency, 0.0),
        ("ratio", found.ratio, ratio, 0.0),
        ("lower end", ends.low, low, room),
        ("upper end", ends.high, high, room),
    ):
        if not math.isclose(value, expected, rel_tol=1e-6, abs_tol=away):
            raise BadRequest(
                f"job {result.job_id!r}, arm {found.name!r}: the {what} is {value:.4f}, "
                f"its figures give {expected:.4f}"
            )
