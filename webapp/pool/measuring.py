"""A measure job on a device: its host's lease, then its transport."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError, connection

from devices import targets
from devices.confinement import Limits
from devices.errors import DeviceNotReady
from devices.transports.engines import LOCAL, Engine
from webapp.ids import site_label
from webapp.jobs.chores import every
from webapp.jobs.processes import is_alive, is_here, this_process
from webapp.pool.choices import Transport
from webapp.pool.models import Device, Host
from webapp.pool.services import host_lease

if TYPE_CHECKING:
    from devices.protocol import MeasureJob, MeasureResult
    from devices.transports.containers import Setup
    from webapp.jobs.context import JobContext

log = logging.getLogger(__name__)

_TIMEOUT_S = 1800.0
_PATIENCE_S = 60.0  # a run waits so long for its device, then the job is queued again
SWEEP_S = 20.0


def run(job: MeasureJob, *, device: Device, context: JobContext) -> MeasureResult:
    """The result of ``job`` on ``device``, alone on its host unless a cost model gives it.

    While the device takes no jobs (its engine is away), this waits for it and says so.

    Raises:
        devices.errors.DeviceNotReady: after a minute of that; the job is to be queued again.
        devices.errors.DeviceError: it could not be measured; Cancelled: the job is not ours any
            more.
    """
    # A cost model measures nothing, so it disturbs nobody and nobody disturbs it.
    exclusive = targets.get(job.target).kind == "measured"
    once = _in_container if device.transport == Transport.DOCKER else _locally

    def told(error: DeviceNotReady) -> str:
        _note([device], away=str(error))
        return f"waits for {device.name}: {error}"

    result = context.patiently(
        lambda: once(job, device, context, exclusive), seconds=_PATIENCE_S, told=told
    )
    context.check()
    return result


def _locally(
    job: MeasureJob, device: Device, context: JobContext, exclusive: bool
) -> MeasureResult:
    from devices.transports import local

    with host_lease(context, device=device, exclusive=exclusive):
        return local.run(
            job,
            timeout_s=_TIMEOUT_S,
            stall_s=settings.DEVICE_STALL_S,
            progress=context.progress,
            cancelled=context.cancelled,
        )


def _in_container(
    job: MeasureJob, device: Device, context: JobContext, exclusive: bool
) -> MeasureResult:
    from devices.transports import containers, docker

    setup = setup_of(device, owner=this_process())
    containers.look(setup, targets.get(job.target))  # nobody waits for a host whose engine is away
    _note([device], away="")
    with host_lease(context, device=device, exclusive=exclusive):
        return docker.run(
            job,
            setup=setup,
            timeout_s=_TIMEOUT_S,
            progress=context.progress,
            cancelled=context.cancelled,
        )


def setup_of(device: Device, *, owner: str) -> Setup:
    """How the containers of a Docker device are made; ``owner`` is the process that makes them."""
    from devices.transports.containers import Setup

    limits = Limits(cpuset=device.cpuset)
    if device.memory_mib is not None:
        limits = Limits(cpuset=device.cpuset, memory_mib=device.memory_mib)
    return Setup(
        engine=engine_of(device),
        limits=limits,
        images=settings.IMAGES,
        site=site_label(),
        owner=owner,
    )


def engine_of(device: Device) -> Engine:
    """The engine that a Docker device names."""
    return Engine(device.engine or LOCAL, Path(device.tls) if device.tls else None)


def sweeping(host: Host) -> Callable[[], None]:
    """What an agent calls often: removes containers that dead processes of this machine left.

    It looks every 20 s. Devices whose engine is away are noted, so that jobs which wait for them
    can say so.
    """
    return every(SWEEP_S, lambda: _sweep(host))


def _sweep(host: Host) -> None:
    from devices.transports import containers

    by_engine: dict[Engine, list[Device]] = {}
    try:
        for device in Device.objects.filter(host=host, transport=Transport.DOCKER):
            by_engine.setdefault(engine_of(device), []).append(device)
        for engine, its in by_engine.items():
            try:
                count = containers.sweep(
                    setup_of(its[0], owner=""),
                    is_over=lambda who: is_here(who) and not is_alive(who),
                )
            except DeviceNotReady as error:
                _note(its, away=str(error))
            else:
                _note(its, away="")
                if count:
                    log.info("removed %s containers at %s that were left", count, engine)
    except DatabaseError as error:
        log.warning("containers are not swept: %s", error)
    finally:
        connection.close()  # this thread's


def _note(devices: list[Device], *, away: str) -> None:
    """Keep why the devices take no jobs now, or that they do."""
    rows = Device.objects.filter(pk__in=[device.pk for device in devices])
    rows.exclude(away=away[:300]).update(away=away[:300])
