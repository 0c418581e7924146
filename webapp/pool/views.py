"""The public pages of the pool."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from devices.targets import TARGETS, Target
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.history import History
from webapp.pool.models import Device, Host, NoiseCheck


@dataclass(frozen=True)
class TargetNoise:
    """A target that a device offers, with its latest A/A comparison."""

    target: Target
    check: NoiseCheck | None


@dataclass(frozen=True)
class DeviceRow:
    device: Device
    targets: list[TargetNoise]
    waiting: int


@require_safe
def devices(request: HttpRequest) -> HttpResponse:
    """Hosts with their devices: state, health, targets, noise, queue."""
    hosts = list(Host.objects.prefetch_related("devices"))
    latest = _latest_noise()
    waiting = dict(
        Job.objects.filter(state=State.QUEUED, queue__startswith="device-")
        .order_by()
        .values_list("queue")
        .annotate(n=Count("pk"))
    )
    context = {
        "hosts": [
            (host, [_row(device, latest, waiting) for device in host.devices.all()])
            for host in hosts
        ],
        "targets": TARGETS,
    }
    return render(request, "pool/devices.html", context)


@require_safe
@gzip_page
def device(request: HttpRequest, slug: str) -> HttpResponse:
    """One device: noise and drift, queue, best entries."""
    found = get_object_or_404(Device.objects.select_related("host"), slug=slug)
    return render(request, "pool/device.html", {"device": found, "history": History(found)})


def _row(
    device: Device, latest: dict[tuple[int, str], NoiseCheck], waiting: dict[str, int]
) -> DeviceRow:
    offered = [
        TargetNoise(target, latest.get((device.pk, target.id)))
        for target in TARGETS
        if target.id in device.targets
    ]
    return DeviceRow(device, offered, waiting.get(device.queue, 0))


def _latest_noise() -> dict[tuple[int, str], NoiseCheck]:
    """The newest check of every (device, target)."""
    newest = (
        NoiseCheck.objects.order_by()
        .values("device", "target")
        .annotate(newest=Max("pk"))
        .values_list("newest", flat=True)
    )
    return {(c.device_id, c.target): c for c in NoiseCheck.objects.filter(pk__in=list(newest))}
