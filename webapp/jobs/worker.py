"""Our RQ worker: forks a work horse a job, with clean database connections."""

from __future__ import annotations

import importlib
import logging
import os
import sys

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Worker, worker_registration
from rq.job import Job as RqJob

from webapp import logs
from webapp.jobs import beats, queues

log = logging.getLogger(__name__)

# Imported before the first fork, so that not every job pays for it (torch alone takes seconds).
PRELOAD = {
    queues.SEARCH: ("engine.search",),
    queues.TRAIN: ("engine.training",),
}
# Called before each fork: what must run beside the worker, so that jobs find it warm.
BESIDE = {queues.VALIDATE: ("webapp.catalog.checks.start",)}


class ForkingWorker(Worker):
    """A process a job: memory comes back, and a crash or kill -9 takes one job only."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        super().heartbeat(timeout, pipeline=pipeline)
        beats.beat(self.connection, self.queue_names())
        if not self.connection.hexists(self.key, "birth"):
            # rq enters a worker at its birth only: a Redis that was emptied would never list it.
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)

    def fork_work_horse(self, job: RqJob, queue: Queue) -> None:
        connections.close_all()  # a socket shared with the child would mix up answers
        _start_beside(self.queue_names())
        super().fork_work_horse(job, queue)


def work(names: list[str], *, burst: bool) -> None:
    """Serve the queues ``names`` until stopped, or until they are empty with ``burst``."""
    # Device processes find the folder of converted models by this name.
    os.environ.setdefault("ACTNAS_ARTEFACTS", str(settings.ARTEFACTS))
    for name in names:
        for module in PRELOAD.get(name, ()):
            importlib.import_module(module)
    _start_beside(names)
    if settings.LOG == "json":
        logs.take_over()
    worker = ForkingWorker(
        [queues.get(name) for name in names],
        connection=queues.connection(),
        worker_ttl=30,  # it waits 15 s for a job, then reports
        job_monitoring_interval=15,  # while it runs one
    )
    try:
        worker.work(burst=burst, logging_level="WARNING")
    except RedisError as error:  # rq waits for a Redis that is away, but not in every place
        log.error("worker of %s ends: %s", ", ".join(names), error)
        sys.exit(1)  # the agent starts another one


def _start_beside(names: list[str]) -> None:
    for name in names:
        for function in BESIDE.get(name, ()):
            import_string(function)()
