"""Targets and devices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router

from devices import targets
from webapp.api import documents, schemas
from webapp.api.auth import ANYONE, missing
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.history import History
from webapp.pool.models import Device
from webapp.pool.services import served_targets

router = Router(tags=["pool"], auth=ANYONE)


@router.get("/targets", response=list[schemas.TargetOut])
def list_targets(request: HttpRequest) -> list[schemas.TargetOut]:
    """Every target, and whether a device offers it now."""
    served = served_targets()
    return [
        schemas.TargetOut(**asdict(target), offered=target.id in served)
        for target in targets.TARGETS
    ]


@router.get("/devices", response=list[schemas.DeviceOut])
def list_devices(request: HttpRequest) -> list[schemas.DeviceOut]:
    """The devices of the pool and how they are."""
    return [schemas.DeviceOut(**_facts(one)) for one in Device.objects.select_related("host")]


@router.get("/devices/{slug}", response=schemas.DeviceDetail)
def get_device(request: HttpRequest, slug: str) -> schemas.DeviceDetail:
    """A device with the history of its noise and its best entries."""
    device = Device.objects.select_related("host").filter(slug=slug).first()
    if device is None:
        raise missing("device", slug)
    history = History(device)
    return schemas.DeviceDetail(
        **_facts(device),
        noise=[documents.noise(one) for one in history.noise],
        health_checks=[documents.health_check(one) for one in history.health.checks],
        health_changes=[documents.health_change(one) for one in history.changes],
        queue=[documents.queued(one) for one in history.jobs],
        best=[entry.pk for entry, _ in history.best],
    )


def _facts(device: Device) -> dict[str, Any]:
    fields = set(schemas.DeviceOut.model_fields) - {"host", "queued"}
    return {name: getattr(device, name) for name in fields} | {
        "host": device.host.name,
        "queued": Job.objects.filter(queue=device.queue, state=State.QUEUED).count(),
    }
