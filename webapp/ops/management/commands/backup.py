from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webapp.ops.backup.archive import SUFFIXES, BackupError
from webapp.ops.backup.making import make


class Command(BaseCommand):
    help = "Write the whole site (rows, files, artefacts) into one file, while it runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("out", type=Path, help=f"a new file; {' or '.join(SUFFIXES)}")

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        try:
            made = make(options["out"].resolve())
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{options['out']}: {made.rows:,} rows, {made.files:,} files, {made.size:,} bytes, "
            f"in {time.monotonic() - begun:.1f} s"
        )
        if made.vanished:
            self.stdout.write(f"{made.vanished} files were deleted meanwhile and are not in it")
