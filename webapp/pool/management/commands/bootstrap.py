from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from webapp.pool.services import ensure_local


class Command(BaseCommand):
    help = "Bring the database up to date and enter this machine into the pool. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST_NAME, help="name of this machine")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        host = ensure_local(host_name=options["host"], cpu_model=cpu_model())
        self.stdout.write(f"host {host.name}: {host.devices.count()} devices")


def cpu_model() -> str:
    """The CPU's name as Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model"}:
            return " ".join(value.split())
    return "unknown CPU"
