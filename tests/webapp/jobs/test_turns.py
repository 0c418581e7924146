"""Whose turn it is: owners share a queue, however much each of them has put into it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.webapp.jobs import kinds
from webapp.jobs import queues, runner, services
from webapp.jobs.choices import Kind, State
from webapp.jobs.handlers import HANDLERS
from webapp.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, Kind.TRAIN, kinds.handler(kinds.succeed))


def queue(owner: User, n: int = 1) -> list[Job]:
    return [
        services.create(kind=Kind.TRAIN, queue="train", payload={}, owner=owner) for _ in range(n)
    ]


def order() -> str:
    """The owners' initials in the order in which workers would take their jobs."""
    return "".join(job.owner.username[0] for job in Job.objects.queued() if job.owner)


@pytest.fixture
def users(db: None) -> tuple[User, User, User]:
    make = User.objects.create_user
    return make("alice"), make("bill"), make("caterpillar")


def test_who_comes_late_does_not_wait_for_who_asked_for_much(
    users: tuple[User, User, User],
) -> None:
    alice, bill, caterpillar = users
    queue(alice, 4)
    queue(bill, 2)
    assert order() == "ababaa"
    assert Job.objects.filter(owner=bill)[0].position == 2
    runner.execute(Job.objects.queued()[0].pk)  # alice's
    queue(caterpillar, 3)
    assert order() == "bcabcaca"


def test_nobody_is_overtaken_for_ever(users: tuple[User, User, User]) -> None:
    alice, bill, _ = users
    (last, *_), waiting = queue(alice, 3)[::-1], 0
    while Job.objects.get(pk=last.pk).state == State.QUEUED:
        queue(bill)  # somebody who always has one more
        runner.execute(Job.objects.queued()[0].pk)
        waiting += 1
    assert waiting <= 6


def test_any_message_runs_the_job_whose_turn_it_is(users: tuple[User, User, User]) -> None:
    alice, bill, _ = users
    jobs = queue(alice, 3)
    (theirs,) = queue(bill)
    assert queues.length("train") == 4
    runner.execute(jobs[0].pk)
    runner.execute(jobs[1].pk)  # alice's second message
    theirs.refresh_from_db()
    assert theirs.state == State.FINISHED
    assert Job.objects.get(pk=jobs[1].pk).state == State.QUEUED
    for job in (*jobs, theirs):
        runner.execute(job.pk)
    assert not Job.objects.queued().exists()


def test_a_job_that_goes_on_takes_a_new_turn(users: tuple[User, User, User]) -> None:
    alice, bill, _ = users
    (first, *_) = queue(alice, 2)
    queue(bill, 2)
    claimed = Job.objects.claim_next("train", worker="w:1:1")
    assert claimed is not None
    assert claimed.pk == first.pk
    assert services.requeue(first.pk, states=(State.RUNNING,))
    assert order() == "baba"
