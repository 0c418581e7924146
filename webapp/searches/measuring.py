"""Measurements of searches: looked up by their content, and queued on a device."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from devices.protocol import MeasureJob, content_hash
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind
from webapp.pool.models import Device
from webapp.searches.models import Measurement, Search

MEASURE_LIMIT_S = 3600


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
