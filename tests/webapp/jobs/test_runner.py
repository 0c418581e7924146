"""One run of a job: claimed once, ended once, with the right reason."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from pytest_django import Settings
from redis import Redis

from tests.webapp.conftest import wait_until
from tests.webapp.jobs import kinds
from webapp.jobs import context, queues, runner, services
from webapp.jobs.choices import Fault, Kind, State
from webapp.jobs.handlers import HANDLERS
from webapp.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "BEAT_S", 0.05)
    kinds.ENDED.clear()


def make(function: object, monkeypatch: pytest.MonkeyPatch, **options: object) -> Job:
    monkeypatch.setitem(HANDLERS, Kind.VALIDATE_MODEL, kinds.handler(function))
    values: dict[str, object] = {"queue": "validate", "payload": {}} | options
    return services.create(kind=Kind.VALIDATE_MODEL, **values)  # type: ignore[arg-type]


def test_a_job_reaches_redis_and_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.succeed, monkeypatch)
    assert queues.length("validate") == 1
    assert job.position == 1
    runner.execute(job.pk)
    job.refresh_from_db()
    assert (job.state, job.progress, job.claim) == (State.FINISHED, 1.0, 1)
    assert [(job.pk, State.FINISHED)] == kinds.ENDED


def test_a_second_copy_of_the_message_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.succeed, monkeypatch)
    runner.execute(job.pk)
    runner.execute(job.pk)
    job.refresh_from_db()
    assert job.claim == 1


def test_the_users_fault_is_told_from_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = make(kinds.blame_the_user, monkeypatch)
    runner.execute(theirs.pk)
    theirs.refresh_from_db()
    assert (theirs.state, theirs.fault) == (State.FAILED, Fault.USER)
    assert theirs.reason == "weights.pt is truncated"

    ours = make(kinds.crash, monkeypatch)
    runner.execute(ours.pk)
    ours.refresh_from_db()
    assert (ours.state, ours.fault, ours.attempt) == (State.FAILED, Fault.OURS, 1)
    assert ours.reason == "internal error: ObjectDoesNotExist"  # no text of ours for strangers
    assert "gone" in ours.traceback


def test_a_failed_measurement_is_tried_again_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.fail_to_measure, monkeypatch, max_attempts=2)
    runner.execute(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempt) == (State.QUEUED, 2)
    runner.execute(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.FAILED, "MeasurementFailed")
    assert job.reason == "the device process crashed"


def test_only_one_of_two_workers_gets_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.succeed, monkeypatch)
    won: list[str] = []

    def claim(name: str) -> None:
        if Job.objects.claim(job.pk, worker=name) is not None:
            won.append(name)
        connection.close()

    threads = [threading.Thread(target=claim, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_running_job_sees_that_it_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.wait_for_cancel, monkeypatch)
    thread = threading.Thread(target=runner.execute, args=(job.pk,))
    thread.start()
    wait_until(lambda: Job.objects.get(pk=job.pk).state == State.RUNNING)
    assert services.cancel(Job.objects.get(pk=job.pk), reason="cancelled by its owner")
    thread.join(timeout=context.GRACE_S)  # past that the process would have been killed
    assert not thread.is_alive()
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled by its owner")
    assert not services.cancel(job, reason="again")


def test_a_run_that_was_replaced_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(kinds.succeed, monkeypatch)
    late = Job.objects.claim(job.pk, worker="elsewhere:1:0")
    assert late is not None
    assert services.recover(late, why="its worker died")
    again = Job.objects.claim(job.pk, worker="elsewhere:2:0")
    assert again is not None
    assert not services.end(job.pk, state=State.FINISHED, claim=late.claim)
    assert services.end(job.pk, state=State.FINISHED, claim=again.claim)


def test_without_redis_a_job_stays_queued_and_is_pushed_later(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, redis_server: str
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    job = make(kinds.succeed, monkeypatch)
    assert Job.objects.get(pk=job.pk).state == State.QUEUED
    settings.REDIS_URL = redis_server
    monkeypatch.setattr(services, "LOST_AFTER", services.LOST_AFTER * 0)
    assert services.sweep() == 1
    job.refresh_from_db()
    assert queues.length("validate") == 1
    Redis.from_url(redis_server).flushall()
    assert services.sweep() == 1
    assert services.sweep() == 0
