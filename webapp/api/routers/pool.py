"""Targets and devices."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest
from ninja import Router

from devices import targets
from webapp.api import schemas
from webapp.api.auth import ANYONE
from webapp.jobs.choices import State
from webapp.jobs.models import Job
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
    fields = set(schemas.DeviceOut.model_fields) - {"host", "queued"}
    return [
        schemas.DeviceOut(
            **{name: getattr(device, name) for name in fields},
            host=device.host.name,
            queued=Job.objects.filter(queue=device.queue, state=State.QUEUED).count(),
        )
        for device in Device.objects.select_related("host")
    ]
