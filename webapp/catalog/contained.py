"""Uploads read in containers: by whom, and what an agent does about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from redis.exceptions import RedisError

from devices.confinement import Limits
from devices.errors import DeviceNotReady
from devices.transports.engines import LOCAL, Engine
from webapp.ids import site_label
from webapp.jobs import beats, queues
from webapp.jobs.chores import every
from webapp.jobs.processes import is_alive, is_here, this_process
from webapp.pool.measuring import SWEEP_S

if TYPE_CHECKING:
    from engine.sandbox.client import Checked
    from engine.sandbox.container import Containers
    from engine.sandbox.task import Request
    from webapp.jobs.context import JobContext

log = logging.getLogger(__name__)

PATIENCE_S = 30.0  # a check waits so long for its engine, then the job is queued again


def configured() -> bool:
    """Whether uploads are read in containers."""
    return bool(settings.VALIDATION_IMAGE)


def engine() -> Engine:
    """The engine that reads them."""
    tls = Path(settings.VALIDATION_TLS) if settings.VALIDATION_TLS else None
    return Engine(settings.VALIDATION_ENGINE or LOCAL, tls)


def reader(*, owner: str) -> Containers:
    """Who reads them; ``owner`` is the process that has it done."""
    from devices.transports.containers import Setup
    from engine.sandbox.container import Containers

    limits = Limits(cpuset=settings.VALIDATION_CPUSET)
    setup = Setup(engine=engine(), limits=limits, site=site_label(), owner=owner)
    return Containers(settings.VALIDATION_IMAGE, setup)


def ask(request: Request, context: JobContext) -> Checked:
    """What the upload of ``request`` is. While there can be no container, this waits and says why.

    Raises:
        devices.errors.DeviceNotReady: after half a minute of that; the job is to be queued again.
            Else as :meth:`engine.sandbox.container.Containers.check`.
    """
    containers = reader(owner=this_process())

    def once() -> Checked:
        return containers.check(
            request,
            timeout_s=float(request.limits.cpu_s),
            while_waiting=context.check,
            progress=context.progress,
        )

    return context.patiently(once, seconds=PATIENCE_S, told=lambda error: f"waits: {error}")


def tending() -> Callable[[], None]:
    """What an agent calls often that serves uploads.

    Every 20 s it removes containers that dead processes of this machine left, and notes for
    /readyz whether uploads can be read.
    """
    return every(SWEEP_S, _tend)


def _tend() -> None:
    from devices.transports import containers

    uploads, lacks = reader(owner=""), ""
    try:
        containers.sweep(uploads.setup, is_over=lambda who: is_here(who) and not is_alive(who))
        uploads.look()
    except DeviceNotReady as error:
        lacks = str(error)
        log.warning("uploads cannot be read: %s", lacks)
    try:
        beats.note(queues.connection(), settings.HOST_NAME, lacks)
    except RedisError as error:
        log.warning("not noted that uploads can be read: %s", error)
