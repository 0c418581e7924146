"""Our RQ worker: forks a work horse a job, with clean database connections."""

from __future__ import annotations

import importlib
import logging
import os

from django.conf import settings
from django.db import connections
from rq import Queue, Worker
from rq.job import Job as RqJob

from webapp.jobs import queues

log = logging.getLogger(__name__)

# Imported before the first fork, so that not every job pays for it (torch alone takes seconds).
PRELOAD = {
    queues.SEARCH: ("engine.search",),
    queues.TRAIN: ("engine.training",),
    queues.VALIDATE: ("engine.loading", "engine.data"),
}


class ForkingWorker(Worker):
    """A process a job: memory comes back, and a crash or kill -9 takes one job only."""

    def fork_work_horse(self, job: RqJob, queue: Queue) -> None:
        connections.close_all()  # a socket shared with the child would mix up answers
        super().fork_work_horse(job, queue)


def work(names: list[str], *, burst: bool) -> None:
    """Serve the queues ``names`` until stopped, or until they are empty with ``burst``."""
    # Device processes find the folder of converted models by this name.
    os.environ.setdefault("ACTNAS_ARTEFACTS", str(settings.ARTEFACTS))
    for name in names:
        for module in PRELOAD.get(name, ()):
            importlib.import_module(module)
    worker = ForkingWorker(
        [queues.get(name) for name in names], connection=queues.connection(), worker_ttl=60
    )
    worker.work(burst=burst, logging_level="WARNING")
