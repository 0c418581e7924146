"""Handlers for tests of the runner: what a job may do, at its simplest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from devices.errors import MeasurementFailed
from engine.errors import BadModel, Pending
from webapp.jobs import services
from webapp.jobs.context import JobContext
from webapp.jobs.handlers import Handler
from webapp.jobs.models import Job

ENDED: list[tuple[int, str]] = []


def ended(job: Job) -> None:
    ENDED.append((job.pk, job.state))


def succeed(context: JobContext) -> None:
    context.progress(0.5, "half")


def blame_the_user(context: JobContext) -> None:
    raise BadModel("weights.pt is truncated")


def crash(context: JobContext) -> None:
    raise ObjectDoesNotExist("gone")


def fail_to_measure(context: JobContext) -> None:
    raise MeasurementFailed("the device process crashed")


def wait_for_cancel(context: JobContext) -> None:
    while True:
        context.check()
        time.sleep(0.02)


def need_other(context: JobContext) -> None:
    """Cannot go on before the job named in its payload has finished."""
    other = Job.objects.get(pk=context.job.payload["other"])
    if other.state != "finished":
        services.need(context.job, other)
        context.blocked_by.add(other.pk)
        raise Pending(f"job {other.pk}")


def slow(context: JobContext) -> None:
    """Says that it runs, and takes its time if the file ``hurry`` is not there."""
    folder = Path(context.job.payload["folder"])
    (folder / f"run-{context.job.claim}").write_text(context.job.worker)
    while not (folder / "hurry").exists():
        context.check()
        time.sleep(0.05)


def handler(function: Any) -> Handler:
    return Handler(run=f"{__name__}.{function.__name__}", ended=f"{__name__}.ended")
