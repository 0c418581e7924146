from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from devices.errors import BadRequest
from webapp.errors import Refused
from webapp.searches import bundles


class Command(BaseCommand):
    help = "Import the results.json that a bundle brought back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("results", type=Path)
        parser.add_argument("--by", required=True, help="name of the administrator who imports")

    def handle(self, *args: Any, **options: Any) -> None:
        by = User.objects.filter(username=options["by"], is_staff=True).first()
        if by is None:
            raise CommandError(f"--by: {options['by']!r} is no administrator of this site")
        try:
            told = bundles.take_in(options["results"], by=by)
        except (Refused, BadRequest) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(told.line)
