from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webapp.errors import Refused
from webapp.leaderboard import references


class Command(BaseCommand):
    help = "Show the uniform study of make bench-devices (its targets.json). Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = references.take_in(options["file"])
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} reference figures")
