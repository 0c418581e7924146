"""Runs a bundle where it was carried to."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from devices import HARNESS_VERSION, noise
from devices.errors import DeviceError
from devices.files import atomic
from devices.protocol import File, MeasureJob, MeasureResult
from devices.transports import local
from devices.transports.bundle.documents import RESULTS, Results, Returned
from devices.transports.bundle.reading import manifest, read

_TIMEOUT_S = 3600.0


def run(folder: Path) -> int:
    """Measures every job of ``folder`` that has no result yet; results.json grows job by job.

    Progress goes to stdout. Returns an exit status: 0 if every job has a result, 1 if one failed.

    Raises:
        BadRequest: ``folder`` holds no bundle, or results of something else.
    """
    bundle = manifest(folder)
    kept = folder / RESULTS
    done = {one.sha256: one for one in read(kept).returned if one.result} if kept.exists() else {}
    for number, bundled in enumerate(bundle.jobs, start=1):
        if bundled.sha256 in done:
            continue
        title = f"{number} of {len(bundle.jobs)}, {bundled.job.id} on {bundled.job.target}"
        print(f"measures {title}", flush=True)
        done[bundled.sha256] = _measured(bundled.sha256, _here(bundled.job, folder))
        returned = [done[job.sha256] for job in bundle.jobs if job.sha256 in done]
        with atomic(kept) as part:
            results = Results(harness=HARNESS_VERSION, returned=returned)
            part.write_text(results.model_dump_json(), encoding="utf-8")
    failed = sum(one.result is None for one in done.values())
    print(f"{len(done) - failed} of {len(bundle.jobs)} measured; send back {kept}")
    return 1 if failed else 0


def _measured(digest: str, job: MeasureJob) -> Returned:
    def progress(share: float, text: str) -> None:
        print(f"  {share:4.0%}  {text}", flush=True)

    def once() -> MeasureResult:
        return local.run(job, timeout_s=_TIMEOUT_S, progress=progress)

    try:
        result = noise.settled(once, checks=(), pause=time.sleep)
    except DeviceError as error:
        print(f"  failed: {error}", file=sys.stderr, flush=True)
        return Returned(sha256=digest, error=str(error), kind=type(error).__name__)
    return Returned(sha256=digest, result=result)


def _here(job: MeasureJob, folder: Path) -> MeasureJob:
    """The job with the paths that its files have on this machine."""

    def place(file: File) -> File:
        return file.model_copy(update={"path": str((folder / file.path).resolve())})

    arms = [arm.model_copy(update={"file": place(arm.file)}) for arm in job.arms]
    images = None if job.calibration is None else place(job.calibration)
    return job.model_copy(update={"arms": arms, "calibration": images})
