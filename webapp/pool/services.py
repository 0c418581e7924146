"""The pool at work: which device serves a target, who holds a host, how quiet a device is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.text import slugify

from devices import noise, targets
from webapp.errors import Refused
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.choices import DeviceState
from webapp.pool.models import Device, Host, NoiseCheck

if TYPE_CHECKING:
    from devices.protocol import MeasureResult
    from webapp.jobs.context import JobContext

_FIRST_POLL_S, _LONGEST_POLL_S = 0.02, 0.5


def choose_device(target: str) -> Device:
    """The least busy device in service that offers ``target``.

    Raises:
        devices.errors.BadRequest: no such target; Refused: no device offers it now.
    """
    targets.get(target)
    offering = Device.objects.offering(target)
    if not offering:
        now = ", ".join(sorted(served_targets())) or "none"
        raise Refused(f"no device in service offers the target {target!r}; offered now: {now}")
    return offering[0]


def served_targets() -> set[str]:
    """The targets that some device in service offers."""
    return {target for device in Device.objects.in_service() for target in device.targets}


def ensure_local(*, host_name: str, cpu_model: str) -> Host:
    """This machine's host and its two devices: the CPU, and the compiler's model of the NPU.

    Made once; what an administrator changed afterwards stays.
    """
    host, _ = Host.objects.get_or_create(name=host_name)
    by_hardware: dict[str, list[str]] = {}
    for target in targets.TARGETS:
        by_hardware.setdefault(target.hardware, []).append(target.id)
    _ensure(
        host, name="This machine", suffix="cpu", model=cpu_model, offered=by_hardware.get("cpu", [])
    )
    _ensure(
        host,
        name="Ethos-U model (Vela)",
        suffix="ethos-u",
        model="Arm Ethos-U (Vela model)",
        offered=by_hardware.get("npu", []),
    )
    return host


def _ensure(host: Host, *, name: str, suffix: str, model: str, offered: list[str]) -> None:
    Device.objects.get_or_create(
        slug=slugify(f"{host.name}-{suffix}"),
        defaults={"host": host, "name": name, "model": model, "targets": offered},
    )


@contextmanager
def host_lease(context: JobContext, *, device: Device, exclusive: bool) -> Iterator[None]:
    """Hold the device, and with ``exclusive`` its host, while the block runs. Waits for its turn.

    The flock of the host (devices.hostlock) is what keeps others on that machine quiet; this lease
    orders device workers, also of other machines, and shows who measures.

    Raises:
        engine.errors.Cancelled: the job was cancelled while it waited.
    """
    job, host_id = context.job, device.host_id
    devices = Device.objects.filter(pk=device.pk)
    if exclusive:
        devices.update(state=DeviceState.LEASED)
        pause = _FIRST_POLL_S
        while not Host.objects.lease(host_id, job=job):
            context.check()
            context.progress(0.0, f"waits for host {device.host.name}")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL_S)
        context.on_beat(lambda: _keep(host_id, job))
    devices.update(state=DeviceState.RUNNING)
    begun = time.monotonic()
    try:
        yield
    finally:
        devices.update(state=DeviceState.IDLE)
        Job.objects.filter(pk=job.pk).update(device_s=time.monotonic() - begun)
        if exclusive:
            Host.objects.free(host_id, job=job)


def _keep(host_id: int, job: Job) -> None:
    Host.objects.keep(host_id, job=job)


def agent_beat(host: Host) -> None:
    """Note that the host's agent lives."""
    Host.objects.filter(pk=host.pk).update(agent_heartbeat=timezone.now())


def sweep() -> int:
    """Free what jobs left that are over: leases, and devices that seem busy. Returns how many."""
    freed = Host.objects.filter(leased_by__isnull=False).exclude(leased_by__state=State.RUNNING)
    count = freed.update(leased_by=None, leased_at=None, lease_heartbeat=None)
    for device in Device.objects.exclude(state=DeviceState.IDLE):
        queues = (device.queue, device.check_queue)
        if not Job.objects.filter(queue__in=queues, state=State.RUNNING).exists():
            idle = Device.objects.filter(pk=device.pk).exclude(state=DeviceState.IDLE)
            count += idle.update(state=DeviceState.IDLE)
    return count


def record_noise(*, device: Device, result: MeasureResult, measurement_id: int) -> None:
    """Keep the A/A ratios of a search's lease."""
    for arm in noise.same_as_baseline(result):
        NoiseCheck.objects.get_or_create(
            measurement_id=measurement_id,
            arm=arm.name,
            defaults={
                "device": device,
                "target": result.target,
                "ratio": arm.ratio,
                "low": arm.ratio_interval.low,
                "high": arm.ratio_interval.high,
            },
        )
