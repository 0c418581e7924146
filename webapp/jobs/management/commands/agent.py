from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from webapp import folders
from webapp.catalog import contained
from webapp.catalog.orphans import Orphans
from webapp.jobs import queues, scratch
from webapp.jobs.agent import Agent
from webapp.jobs.chores import every
from webapp.pool import health, measuring
from webapp.pool import services as pool
from webapp.pool.choices import Health, Transport
from webapp.pool.models import Device, Host
from webapp.webhooks import services as webhooks

log = logging.getLogger(__name__)

_ALL = (queues.VALIDATE, queues.SEARCH, queues.TRAIN, queues.DELIVER)


class Command(BaseCommand):
    help = "Run the workers of a host: those of its devices, and of shared queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST_NAME)
        parser.add_argument(
            "--queues",
            default=",".join(_ALL),
            help='shared queues to serve, "validate,search:2,train" with a count each; "" for none',
        )
        parser.add_argument(
            "--no-devices", action="store_true", help="leave the host's devices to another agent"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host = Host.objects.filter(name=options["host"]).first()
        if host is None:
            known = ", ".join(Host.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"no host {options['host']!r} in the pool; known: {known}")
        shared = _parse(options["queues"])

        def wanted() -> list[str]:
            if options["no_devices"]:
                return shared
            reached = Device.objects.filter(host=host).exclude(transport=Transport.BUNDLE)
            in_use = reached.exclude(health=Health.RETIRED)
            return shared + [_queues(device) for device in in_use]

        tended = [measuring.sweeping(host), _sweeping_files()]
        if contained.configured() and queues.VALIDATE in shared:
            tended.append(contained.tending())

        def chores() -> None:
            if settings.AGENT_BEAT:
                Path(settings.AGENT_BEAT).touch()
            pool.agent_beat(host)
            pool.sweep()
            health.start_due_checks(host)
            webhooks.sweep()
            scratch.sweep()
            scratch.sweep_uploads()
            for tend in tended:
                tend()

        agent = Agent(wanted=wanted, chores=chores)
        signal.signal(signal.SIGTERM, agent.stop)
        signal.signal(signal.SIGINT, agent.stop)
        agent.run()
        scratch.sweep()  # of the workers that were just ended


def _sweeping_files() -> Callable[[], None]:
    """What is called often and looks at every stored file every settings.SWEEP_FILES_S."""
    orphans = Orphans()

    def look() -> None:
        try:
            folders.sweep()
            orphans.sweep()
        except Exception:  # every kind of storage has errors of its own
            log.exception("stored files are not swept")
        finally:
            connection.close()  # this thread's

    return every(settings.SWEEP_FILES_S, look)


def _queues(device: Device) -> str:
    """What the worker of a device serves: its checks first, and measurements while it is well."""
    return f"{device.check_queue} {device.queue}" if device.in_service else device.check_queue


def _parse(text: str) -> list[str]:
    names: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, count = word.partition(":")
        if name not in _ALL or not (count or "1").isdigit():
            raise CommandError(f"--queues: {word!r}; accepted: {', '.join(_ALL)}, with :COUNT each")
        names += [name] * int(count or 1)
    return names
