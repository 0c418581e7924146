"""Measurements of devices that nobody reaches: out in a bundle, back by an administrator's hand."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from devices import noise
from devices.errors import BadRequest
from devices.protocol import MeasureJob, MeasureResult, content_hash
from devices.transports import bundle
from devices.transports.bundle import Bundle, Returned
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.errors import Refused
from webapp.jobs import services as jobs
from webapp.jobs.choices import Fault, State
from webapp.pool.choices import Transport
from webapp.pool.models import Device
from webapp.pool.services import record_noise
from webapp.searches import measuring
from webapp.searches.models import Measurement

_USERS_FAULT = ("BadRequest", "Unsupported", "OutOfMemory")


@dataclass
class Imported:
    """What became of the results of one file."""

    measured: int = 0
    failed: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The same in one line."""
        text = f"{self.measured} measurements imported, {self.failed} failed on the device"
        if self.unknown:
            some = ", ".join(f"{digest[:12]}..." for digest in self.unknown[:3])
            text += f", {len(self.unknown)} of jobs that wait for no result here ({some})"
        return text


def waiting(device: Device) -> list[Measurement]:
    """What is queued for ``device``, the next one first."""
    queued = Measurement.objects.filter(device=device, job__state=State.QUEUED)
    return list(queued.order_by("job__queued_at", "job__pk"))


def write(device: Device, out: Path) -> Bundle:
    """The bundle of everything that waits for ``device``, as the folder ``out``.

    Raises:
        Refused: the device is reached in another way, or nothing waits for it.
        devices.errors.BadRequest: ``out`` exists, or a file of a job is gone.
    """
    if device.transport != Transport.BUNDLE:
        raise Refused(f"{device} is reached by {device.get_transport_display()!r}, not by bundles")
    rows = {row.hash: row for row in waiting(device)}  # searches may ask for the same
    if not rows:
        raise Refused(f"nothing waits for {device}")
    asked = (MeasureJob.model_validate(row.document) for row in rows.values())
    return bundle.write([measuring.here(job) for job in asked], out)


def archive(device: Device) -> IO[bytes]:
    """The same as a ZIP file, open at its start; it is gone when it is closed."""
    with tempfile.TemporaryDirectory(prefix="actnas-bundle-") as place:
        folder = Path(place) / device.slug
        write(device, folder)
        packed = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(folder.rglob("*")):
                file.write(path, path.relative_to(folder.parent))
    packed.seek(0)
    return packed


@contextmanager
def copied(upload: UploadedFile) -> Iterator[Path]:
    """An uploaded file by a path, while the block runs."""
    with tempfile.TemporaryDirectory(prefix="actnas-results-") as place:
        path = Path(place) / "results.json"
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        yield path


def take_in(path: Path, *, by: User) -> Imported:
    """Give the results of a bundle to the measurements that wait for them; all of the file or none.

    A result belongs to the measurements whose job has the same hash. Its noise is judged here anew.
    What waits for none any more is counted and left.

    Raises:
        devices.errors.BadRequest: no results.json, or a result that does not answer its job.
    """
    told = Imported()
    with transaction.atomic():
        for returned in bundle.read(path).returned:
            rows = Measurement.objects.select_related("job", "device__host").filter(
                hash=returned.sha256,
                device__transport=Transport.BUNDLE,
                job__state=State.QUEUED,
            )
            if not rows:
                told.unknown.append(returned.sha256)
            for row in rows:
                _give(row, returned, by=by)
                told.measured += returned.result is not None
                told.failed += returned.result is None
    return told


def _give(row: Measurement, returned: Returned, *, by: User) -> None:
    assert row.job is not None  # both were asked for by the query
    assert row.device is not None
    job = MeasureJob.model_validate(row.document)
    if content_hash(job) != row.hash:
        raise BadRequest(f"measurement {row.pk} has another hash than its own document")
    row.imported_by, row.imported = by, timezone.now()
    if returned.result is None:
        row.save(update_fields=["imported_by", "imported"])
        fault = Fault.USER if returned.kind in _USERS_FAULT else Fault.OURS
        ended = jobs.end(
            row.job.pk,
            state=State.FAILED,
            states=(State.QUEUED,),
            reason=returned.error,
            fault=fault,
            error=returned.kind[:60],
        )
    else:
        bundle.check(returned.result, job)
        result = _judged(returned.result, by=by)
        row.result = result.model_dump(mode="json")
        row.save(update_fields=["result", "imported_by", "imported"])
        record_noise(device=row.device, result=result, measurement_id=row.pk)
        ended = jobs.end(row.job.pk, state=State.FINISHED, states=(State.QUEUED,))
    if not ended:
        raise Refused(f"measurement {row} was ended by somebody else meanwhile; import it again")
    record(by=by, action=Action.IMPORTED, what=row.device, detail=f"measurement {row}")


def _judged(result: MeasureResult, *, by: User) -> MeasureResult:
    found = noise.judge(result, ())
    if found is not None and result.noise is not None:
        found = found.model_copy(update={"set_aside": result.noise.set_aside})
    notes = [*result.notes, f"measured elsewhere; imported from a bundle by {by.get_username()}"]
    return result.model_copy(update={"noise": found, "notes": notes})
