from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webapp.ops.backup.archive import BackupError
from webapp.ops.backup.restoring import restore


class Command(BaseCommand):
    help = "Bring a site back from a file of `backup`, into an empty site; before `bootstrap`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = restore(options["file"].resolve())
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"the site of {done.made} is back: {done.rows:,} rows")
        if not done.tokens_work:
            self.stdout.write("API tokens need the old ACTNAS_SECRET_KEY, or must be made anew")
