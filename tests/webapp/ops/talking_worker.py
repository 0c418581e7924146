"""A worker whose jobs log from everywhere: its thread, others, libraries, the warnings module."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings

import django

django.setup()

from webapp.jobs import context  # noqa: E402 (the app registry comes first)
from webapp.jobs.choices import Kind  # noqa: E402
from webapp.jobs.handlers import HANDLERS, Handler  # noqa: E402
from webapp.jobs.worker import BESIDE, PRELOAD, work  # noqa: E402

LINES = ("own thread", "another thread", "a library", "a warning", "heartbeat")


def talk(running: context.JobContext) -> None:
    library = logging.getLogger("ultralytics")
    logging.getLogger("engine").warning("own thread")
    thread = threading.Thread(target=lambda: logging.getLogger("engine").warning("another thread"))
    thread.start()
    thread.join()
    library.warning("a library")
    warnings.warn("a warning", stacklevel=1)
    beaten = threading.Event()

    def beat() -> None:
        if not beaten.is_set():
            logging.getLogger("engine").warning("heartbeat")
            beaten.set()

    running.on_beat(beat)
    assert beaten.wait(20)
    time.sleep(0)


def ended(job: object) -> None:
    logging.getLogger("engine").warning("ended")


if __name__ == "__main__":
    # As ultralytics sets itself up: its own handler, and nothing for anybody else.
    headstrong = logging.getLogger("ultralytics")
    headstrong.addHandler(logging.StreamHandler(sys.stdout))
    headstrong.propagate = False
    context.BEAT_S = 0.1
    PRELOAD.clear()
    BESIDE.clear()
    name = "tests.webapp.ops.talking_worker"
    HANDLERS[Kind.SEARCH] = Handler(run=f"{name}.talk", ended=f"{name}.ended")
    work(["search"], burst=True)
