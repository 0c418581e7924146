from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.errors import BadRequest
from webapp.errors import Refused
from webapp.pool.choices import Transport
from webapp.pool.models import Device
from webapp.searches import bundles


class Command(BaseCommand):
    help = "Write what waits for a device into a folder that can be carried to it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("device", help="slug of a device with the transport bundle")
        parser.add_argument("--out", type=Path, required=True, help="folder to make")

    def handle(self, *args: Any, **options: Any) -> None:
        device = Device.objects.select_related("host").filter(slug=options["device"]).first()
        if device is None:
            some = Device.objects.filter(transport=Transport.BUNDLE).values_list("slug", flat=True)
            raise CommandError(
                f"no device {options['device']!r}; with bundles: {', '.join(some) or 'none'}"
            )
        try:
            made = bundles.write(device, options["out"])
        except (Refused, BadRequest) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{len(made.jobs)} jobs for {device} in {options['out']}")
