"""Why a job does not move: one line for each of the ways in which it can stand still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rq import Worker

from tests.browser import factories
from tests.webapp.conftest import People
from webapp.jobs import queues, services
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.jobs.standstill import why
from webapp.jobs.worker import ForkingWorker
from webapp.pool.models import Device, Host
from webapp.searches.models import Measurement, Search, Training

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-openvino-fp32"


def said(job: Job) -> str:
    """Why it does not move, from the rows as they are now."""
    return why(Job.objects.get(pk=job.pk))


def make(kind: Kind = Kind.SEARCH, queue: str = "search", **values: Any) -> Job:
    return Job.objects.create(kind=kind, queue=queue, payload={"id": "x"}, **values)


@pytest.fixture
def alive() -> Any:
    """Tells Redis that a worker of these queues lives."""
    born: list[Worker] = []

    def bear(name: str) -> Worker:
        worker = Worker([queues.get(name)], connection=queues.connection())
        worker.register_birth()
        born.append(worker)
        return worker

    yield bear
    for worker in born:
        worker.register_death()


@pytest.fixture
def search(people: People) -> Search:
    cpu = factories.pool()[0]
    model = factories.detector(people.owner)
    asked = factories.request(people.owner, model, None, name="Tea", target_ids=[TARGET])
    return Search.objects.create(request=asked, target=TARGET, device=cpu, job=make())


def measurement(search: Search, **values: Any) -> Job:
    device = Device.objects.get(slug="looking-glass-cpu")
    job = make(Kind.MEASURE, device.queue, **values)
    Measurement.objects.create(
        search=search, device=device, hash=str(job.pk), document={"id": "a"}, job=job
    )
    return job


def test_a_redis_that_was_emptied_learns_of_its_workers_again() -> None:
    worker = ForkingWorker([queues.get("search")], connection=queues.connection())
    worker.register_birth()
    queues.connection().flushall()
    assert queues.workers("search") == 0
    worker.heartbeat()
    worker.heartbeat()
    assert queues.workers("search") == 1
    worker.register_death()


def test_queued(alive: Any, settings: Settings) -> None:
    first, second = make(), make()
    assert said(first) == "is queued, and no worker of the queue search is alive"
    died = alive("search")
    queues.connection().delete(died.key)  # as Redis forgets a worker that was killed
    assert queues.workers("search") == 0
    alive("search")
    assert said(first).startswith("is queued behind 0 for 0.")
    assert said(first).endswith("s; a worker is free and takes it")
    running = make(state=State.RUNNING, heartbeat=timezone.now())
    assert said(second) == f"is queued behind 1; workers of search (1) do job {running.pk}"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert said(second).startswith("is queued, but Redis does not answer")


def test_queued_for_a_device(search: Search, alive: Any) -> None:
    job = measurement(search)
    place = "Looking-glass CPU on looking-glass"
    Host.objects.update(agent_heartbeat=timezone.now() - timedelta(minutes=5))
    assert said(job) == f"is queued for {place}, whose agent is silent for 5\u00a0min 00\u00a0s"
    Device.objects.update(health="maintenance", health_reason="new fan")
    assert said(job) == f"is queued for {place}, which is in maintenance: new fan"
    Device.objects.update(health="bad", health_reason="the health check failed: it crashed")
    assert said(job).endswith("is out of service (bad): the health check failed: it crashed")
    Device.objects.update(health="noisy")
    Host.objects.update(agent_heartbeat=timezone.now())
    assert said(job) == "is queued, and no worker of the queue device-looking-glass-cpu is alive"
    alive(job.queue)
    other = make(Kind.MEASURE, "device-other", state=State.RUNNING)
    assert Host.objects.lease(Host.objects.get().pk, job=other)
    assert f"waits for host looking-glass, leased by job {other.pk} for" in said(job)
    Measurement.objects.update(device=None)
    assert said(job) == "is queued for a device that was removed from the pool"


def test_running(search: Search) -> None:
    job = measurement(search, state=State.RUNNING, heartbeat=timezone.now(), progress=0.25)
    assert said(job).startswith("runs, 25% done; its worker was heard of 0.")
    other = make(Kind.MEASURE, "device-other", state=State.RUNNING)
    assert Host.objects.lease(Host.objects.get().pk, job=other)
    assert said(job).startswith(f"waits for host looking-glass, leased by job {other.pk} for")
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now() - timedelta(minutes=2))
    job = Job.objects.get(pk=job.pk)
    assert "was last heard of 2\u00a0min 00\u00a0s ago; the next sweep of an agent" in said(job)


def test_waiting_for_a_training_that_waits_itself(search: Search, alive: Any) -> None:
    assert search.job is not None
    base, supernet = (make(Kind.TRAIN, "train") for _ in range(2))
    Training.objects.create(hash="b", title="base", spec={}, job=base)
    Training.objects.create(hash="s", title="supernet", spec={}, job=supernet)
    for job, other in ((search.job, supernet), (supernet, base)):
        job.waits_for.add(other)
        Job.objects.filter(pk=job.pk).update(state=State.WAITING)
    job = search.job
    assert said(job) == (
        f"waits for job {supernet.pk}, training 'supernet', which "
        f"waits for job {base.pk}, training 'base', which "
        "is queued, and no worker of the queue train is alive"
    )
    Job.objects.filter(pk=supernet.pk).update(state=State.FINISHED)
    assert said(job) == "what it waited for has ended; the next sweep of an agent wakes it"


def test_paused_and_ended(people: People) -> None:
    job = make(owner=people.owner)
    services.pause(job, by=people.owner)
    assert said(job) == "paused by its owner; it goes on when it is resumed"
    services.cancel(job, by=people.owner, reason="no more tea")
    assert said(job) == "it has ended: cancelled, no more tea"


def test_it_stands_on_the_pages_of_job_and_search(people: People, search: Search) -> None:
    client = Client()
    client.force_login(User.objects.get(pk=people.admin.pk))
    for path in (f"jobs/job/{search.job_id}", f"searches/search/{search.pk}"):
        page = client.get(f"/admin/{path}/change/").content.decode()
        assert "no worker of the queue search is alive" in page, path
