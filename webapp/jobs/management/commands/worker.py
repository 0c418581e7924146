from __future__ import annotations

import os
import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from webapp.jobs.worker import work


class Command(BaseCommand):
    help = "Serve queues: validate, search, train, deliver, device-<slug>."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="+")
        parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
        # Named, not looked up: the parent may be gone before this process asks.
        parser.add_argument("--parent", type=int, help="end when this parent process ends")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["parent"] is not None:
            threading.Thread(target=_follow, args=(options["parent"],), daemon=True).start()
        work(options["queues"], burst=options["burst"])


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)  # its work horse notices and goes too
