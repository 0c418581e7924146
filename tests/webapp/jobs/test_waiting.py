"""Jobs that wait for jobs: parked, woken, released."""

from __future__ import annotations

import pytest

from tests.webapp.jobs import kinds
from webapp.jobs import runner, services
from webapp.jobs.choices import Kind, State
from webapp.jobs.handlers import HANDLERS
from webapp.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, Kind.SEARCH, kinds.handler(kinds.need_other))
    monkeypatch.setitem(HANDLERS, Kind.TRAIN, kinds.handler(kinds.succeed))


def pair() -> tuple[Job, Job]:
    """A training, and a search that waits for it."""
    training = services.create(kind=Kind.TRAIN, queue="train", payload={})
    search = services.create(kind=Kind.SEARCH, queue="search", payload={"other": training.pk})
    runner.execute(search.pk)
    return training, search


def state(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def test_a_search_waits_without_a_worker_and_goes_on_when_the_training_ends() -> None:
    training, search = pair()
    assert state(search) == State.WAITING
    runner.execute(training.pk)
    assert state(search) == State.QUEUED
    runner.execute(search.pk)
    assert state(search) == State.FINISHED


def test_a_training_that_ended_meanwhile_wakes_the_search_at_once() -> None:
    training, search = pair()
    services.wake(search.pk)
    claimed = Job.objects.claim(search.pk, worker="w")
    assert claimed is not None
    runner.execute(training.pk)  # between the search's look and its update
    services.park(claimed, waits_for={training.pk}, message="training")
    assert state(search) == State.QUEUED


def test_the_sweeper_wakes_what_nobody_woke() -> None:
    training, search = pair()
    Job.objects.filter(pk=training.pk).update(state=State.FINISHED)  # died before it could wake
    assert services.sweep() == 1
    assert state(search) == State.QUEUED


def test_a_failed_training_wakes_the_search_though_others_still_run() -> None:
    training, search = pair()
    other = services.create(kind=Kind.TRAIN, queue="train", payload={})
    search.waits_for.add(other)
    services.end(training.pk, state=State.FAILED, states=(State.QUEUED,), reason="no")
    assert state(search) == State.QUEUED


def test_cancelling_a_search_cancels_what_only_it_needed() -> None:
    training, search = pair()
    shared = services.create(kind=Kind.TRAIN, queue="train", payload={})
    other = services.create(kind=Kind.SEARCH, queue="search", payload={"other": shared.pk})
    runner.execute(other.pk)
    services.need(search, shared)
    services.cancel(Job.objects.get(pk=search.pk), reason="cancelled by its owner")
    assert state(training) == State.CANCELLED
    assert state(shared) == State.QUEUED  # the other search still needs it
    assert state(other) == State.WAITING
