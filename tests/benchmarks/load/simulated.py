"""Workers of simulated devices: everything is real but the measurement, which sleeps."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

SLEEP_S = (0.01, 0.03)  # a simulated measurement, drawn evenly
LOG = "ACTNAS_BENCH_LOG"


def measure(context: Any) -> None:
    """Hold the device's host as a measurement does, and note from when to when."""
    from webapp.pool.models import Device
    from webapp.pool.services import host_lease

    job = context.job
    device = Device.objects.select_related("host").get(slug=job.queue.removeprefix("device-"))
    dice = random.Random(job.pk)
    with host_lease(context, device=device, exclusive=True):
        begun = time.time()
        time.sleep(dice.uniform(*SLEEP_S))
        ended = time.time()
    line = {
        "job": job.pk,
        "owner": job.owner_id,
        "queue": job.queue,
        "host": device.host_id,
        "turn": job.turn,
        "queued": job.queued_at.timestamp(),
        "begun": begun,
        "ended": ended,
    }
    with Path(os.environ[LOG], f"{os.getpid()}.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def take_over() -> None:
    """Searches of this process, and of those that it forks, are simulated ones."""
    from webapp.jobs import handlers
    from webapp.jobs.choices import Kind

    handlers.HANDLERS[Kind.SEARCH] = handlers.Handler(run=f"{__name__}.measure")


def work(queue: str) -> None:
    """One worker of ``queue`` in this process, until it is asked to end. RQ as it is, but for the
    fork a job: ten thousand forks would be most of what is measured."""
    from rq import SimpleWorker

    from webapp.jobs import queues

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    worker = SimpleWorker([queues.get(queue)], connection=queues.connection())
    worker.work(logging_level="ERROR")
