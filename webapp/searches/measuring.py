"""Measurements of searches: looked up by their content, and queued on a device."""

from __future__ import annotations

import re
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from devices.protocol import File, MeasureJob, content_hash
from webapp.folders import Folder
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind
from webapp.pool.models import Device
from webapp.searches.models import Measurement, Search

MEASURE_LIMIT_S = 3600
_SEARCH = re.compile(r"/(searches/[0-9a-z]+)/")


def here(job: MeasureJob) -> MeasureJob:
    """``job`` with this machine's paths to its files, which lie in folders of searches.

    Another machine may have asked. Only these files are fetched, and only if the storage is remote.
    """

    def local(file: File) -> File:
        found = _SEARCH.search(file.path)
        if found is None:
            return file
        path = Folder(found[1]).copy(Path(file.path), sha256=file.sha256)
        return file.model_copy(update={"path": str(path)})

    arms = [arm.model_copy(update={"file": local(arm.file)}) for arm in job.arms]
    calibration = None if job.calibration is None else local(job.calibration)
    return job.model_copy(update={"arms": arms, "calibration": calibration})


def known(search: Search, job: MeasureJob) -> Measurement | None:
    """The measurement of ``search`` that asks for the same, whatever became of it."""
    rows = Measurement.objects.select_related("job")
    return rows.filter(search=search, hash=content_hash(job)).first()


def queue(search: Search, job: MeasureJob, *, device: Device, owner: User | None) -> Measurement:
    """A new measurement of ``search``, queued on ``device``."""
    with transaction.atomic():
        measurement = Measurement.objects.create(
            search=search,
            device=device,
            hash=content_hash(job),
            document=job.model_dump(mode="json"),
        )
        measurement.job = jobs.create(
            kind=Kind.MEASURE,
            queue=device.queue,
            payload={"id": measurement.pk, "search": search.pk},
            owner=owner,
            limit_s=MEASURE_LIMIT_S,
        )
        measurement.save(update_fields=["job"])
    return measurement
