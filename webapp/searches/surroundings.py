"""What a search or a training asks for, answered by the database and the queues.

``measure`` and ``train`` return what is there; what is not there yet is queued for another worker,
and the asking job ends with ``Pending`` until it is.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction

from devices import errors as device_errors
from devices import hostlock
from devices.protocol import MeasureJob, MeasureResult
from engine.errors import EngineError, Pending, UserError
from engine.services import Event, Limit
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import FINAL, Fault, Kind, State
from webapp.jobs.models import Job
from webapp.searches import measuring, stages
from webapp.searches.models import Measurement, Search, SearchEvent, Training

if TYPE_CHECKING:
    from engine.training.spec import TrainingSpec
    from webapp.jobs.context import JobContext

TRAIN_LIMIT_S = 24 * 3600
_WRITE_EVERY_S = 1.0
_PUT_EVERY_S = 60.0


class _Surroundings:
    """What trainings and searches have in common."""

    trains_elsewhere = True

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self._limit = Limit()

    def train(self, spec: TrainingSpec) -> Path:
        """The folder of the finished training; Pending while it is queued or runs."""
        self.context.check()
        training = _training(spec, owner=self.context.job)
        job = training.job
        if job is None:
            raise EngineError(f"training {spec.hash} has no job")
        if job.state in {State.FAILED, State.CANCELLED} and (
            job.reason == jobs.UNNEEDED or _ended_before(job, self.context.job)
        ):
            # Given up because nobody needed it, or failed for somebody else: a new try is due.
            jobs.restart(job)
            job.refresh_from_db()
        if job.state == State.FINISHED:
            return training.folder.fetch()
        if job.state in FINAL:
            _raise_failure(job, what=f"training {spec.title!r}")
        self._wait_for(job)
        raise Pending(f"training of {spec.title}")

    def pause_point(self) -> None:
        """Between batches: end if cancelled, wait while somebody measures on this host."""
        self.context.check()
        self._limit.check()
        hostlock.pause_point(while_waiting=self.context.check)

    def limit(self, seconds: float | None) -> None:
        """A search's limit ends its own work; trainings are jobs that other searches may need."""
        self._limit.set(seconds)

    def _wait_for(self, job: Job) -> None:
        jobs.need(self.context.job, job)
        self.context.blocked_by.add(job.pk)


class TrainingSurroundings(_Surroundings):
    """For a training; it may ask for the training that it starts from."""

    def __init__(self, context: JobContext, training: Training) -> None:
        super().__init__(context)
        self.training = training
        self._put = time.monotonic()

    def pause_point(self) -> None:
        """Also stores checkpoints, so that another host can go on from them."""
        super().pause_point()
        if time.monotonic() - self._put >= _PUT_EVERY_S:
            self.training.folder.put()
            self._put = time.monotonic()

    def emit(self, event: Event) -> None:
        self.context.check()
        if event.fraction is not None or event.message:
            self.context.progress(event.fraction or 0.0, event.message or event.stage)

    def measure(self, job: MeasureJob) -> MeasureResult:
        raise EngineError(f"a training asked for the measurement {job.id}")


class SearchSurroundings(_Surroundings):
    """For a search."""

    def __init__(self, context: JobContext, search: Search) -> None:
        super().__init__(context)
        self.search = search
        self._written = 0.0

    def measure(self, job: MeasureJob) -> MeasureResult:
        """The result of ``job`` on the search's device; Pending while it is queued or runs."""
        self.context.check()
        measurement = self._measurement(job)
        row = measurement.job
        if row is None:
            raise EngineError(f"measurement {job.id} has no job")
        if row.state == State.FINISHED:
            return MeasureResult.model_validate(measurement.result)
        if row.state in FINAL:
            _raise_failure(row, what=f"measurement {job.id!r}")
        self._wait_for(row)
        raise Pending(f"measurement {job.id}")

    def emit(self, event: Event) -> None:
        """Keep the stages; write them at once when something begins or ends, else once a second."""
        self.context.check()
        if event.kind == "tried":
            self.search.tried = list(event.tried)
            self.search.save(update_fields=["tried"])
            return
        if event.kind == "started":
            # What was asked for before is wanted, but it does not keep this stage from going on.
            self.context.blocked_by.clear()
        new = stages.apply(
            self.search.stages,
            stage=event.stage,
            kind=event.kind,
            message=event.message,
            fraction=event.fraction,
            at=event.at,
            seconds=event.seconds,
        )
        self.context.progress(stages.overall(self.search.stages), event.message or event.stage)
        if not new and time.monotonic() - self._written < _WRITE_EVERY_S:
            return
        self._written = time.monotonic()
        if event.kind == "finished":
            self.search.folder.put()  # another host goes on from here
        self.search.stage = event.stage
        self.search.save(update_fields=["stage", "stages"])
        if new and event.kind == "finished":
            jobs.note_progress(self.context.job)
        if new and not self._was_last(event):
            SearchEvent.objects.create(
                search=self.search,
                stage=event.stage,
                kind=event.kind,
                message=event.message,
                fraction=event.fraction,
            )

    def _was_last(self, event: Event) -> bool:
        """Whether the log ends with the same line: a search that waits says so in each run."""
        last = SearchEvent.objects.filter(search=self.search).last()
        same = (event.stage, event.kind, event.message)
        return last is not None and (last.stage, last.kind, last.message) == same

    def _measurement(self, job: MeasureJob) -> Measurement:
        found = measuring.known(self.search, job)
        if found is not None:
            return found
        device = self.search.device
        if device is None:
            raise EngineError(f"the device of search {self.search.pk} was removed from the pool")
        self.search.folder.put()  # the device's host reads its files
        return measuring.queue(self.search, job, device=device, owner=self.context.job.owner)


def _training(spec: TrainingSpec, *, owner: Job) -> Training:
    found = Training.objects.select_related("job").filter(hash=spec.hash).first()
    if found is not None and found.job is not None:
        return found
    with transaction.atomic():
        training, _ = Training.objects.get_or_create(
            hash=spec.hash,
            defaults={"title": spec.title, "spec": json.loads(spec.to_json())},
        )
        if training.job is None:
            training.job = jobs.create(
                kind=Kind.TRAIN,
                queue=queues.TRAIN,
                payload={"id": training.pk, "search": owner.payload.get("search")},
                owner=owner.owner,
                limit_s=TRAIN_LIMIT_S,
            )
            training.save(update_fields=["job"])
    return training


def _ended_before(job: Job, asking: Job) -> bool:
    return job.ended is not None and job.ended < asking.created


def _raise_failure(job: Job, *, what: str) -> None:
    """Raise the error that ended ``job``, as nearly as the asking search would have met it."""
    text = f"{what}: {job.reason}"
    kind = getattr(device_errors, job.error, None)
    if isinstance(kind, type) and issubclass(kind, device_errors.DeviceError):
        raise kind(job.reason)
    if job.fault == Fault.USER:
        raise UserError(text)
    raise EngineError(text)
