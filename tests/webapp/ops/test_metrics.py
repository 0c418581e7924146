"""/metrics: who may read it, what it says, how many queries it takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tests.webapp.conftest import People, api_client
from tests.webapp.pages.conftest import World
from webapp.accounts.models import ApiToken
from webapp.jobs import beats, queues
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import Device, Host

QUERIES = 4  # jobs; devices with hosts; stages; entries
Labels = frozenset[tuple[str, str]]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def is_open(settings: Settings) -> None:
    settings.METRICS = True


def read(client: Client | None = None) -> dict[tuple[str, Labels], float]:
    """Every sample by name and labels."""
    cache.clear()
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def of(name: str, **labels: str) -> tuple[str, Labels]:
    return name, frozenset(labels.items())


def test_it_is_there_for_staff_tokens_only(people: People, settings: Settings) -> None:
    for client in (Client(), api_client(people.owner)):
        assert client.get("/metrics").status_code == 404
    assert read(api_client(people.admin))
    settings.METRICS = True
    assert read()


def test_a_revoked_token_and_one_that_may_not_read_open_nothing(people: People) -> None:
    _, text = ApiToken.objects.issue(user=people.admin, name="writes", scopes=["write"])
    writes = Client(headers={"Authorization": f"Bearer {text}"})
    assert writes.get("/metrics").status_code == 404
    revoked = api_client(people.admin)
    for token in ApiToken.objects.filter(user=people.admin):
        token.revoke()
    assert revoked.get("/metrics").status_code == 404


@pytest.mark.usefixtures("is_open")
def test_queues_jobs_and_devices(world: World) -> None:
    now = timezone.now()
    for minutes in (3, 1):
        Job.objects.create(
            kind=Kind.TRAIN, queue="train", queued_at=now - timedelta(minutes=minutes)
        )
    Job.objects.create(kind=Kind.SEARCH, queue="search", state=State.FAILED)
    Device.objects.filter(pk=world.device.pk).update(state="running", health="noisy")
    said = read()
    assert said[of("actnas_queue_jobs", queue="train")] == 2
    assert 180 <= said[of("actnas_queue_oldest_seconds", queue="train")] < 200
    assert said[of("actnas_queue_jobs", queue="search")] == 0  # named although none waits
    assert said[of("actnas_queue_oldest_seconds", queue="search")] == 0
    assert said[of("actnas_jobs", kind="train", state="queued")] == 2
    assert said[of("actnas_jobs", kind="search", state="failed")] == 1
    assert said[of("actnas_jobs", kind="measure", state="running")] == 0
    slug = world.device.slug
    assert said[of("actnas_device_state", device=slug, state="running")] == 1
    assert said[of("actnas_device_state", device=slug, state="idle")] == 0
    assert said[of("actnas_device_health", device=slug, health="noisy")] == 1
    assert said[of("actnas_redis_up")] == 1


@pytest.mark.usefixtures("is_open")
def test_how_long_ago_workers_and_agents_reported(world: World) -> None:
    beats.beat(queues.connection(), ["train"])
    host = world.device.host
    Host.objects.filter(pk=host.pk).update(agent_heartbeat=timezone.now() - timedelta(minutes=5))
    said = read()
    assert 0 <= said[of("actnas_queue_worker_age_seconds", queue="train")] < 60
    assert of("actnas_queue_worker_age_seconds", queue="search") not in said  # none ever did
    assert 300 <= said[of("actnas_agent_age_seconds", host=host.name)] < 360


@pytest.mark.usefixtures("is_open")
def test_entries_and_the_seconds_of_stages(world: World) -> None:
    for seed in (1, 2, 3):
        world.entry(seed)
    world.entry(4, public=False)
    said = read()
    listed = sum(value for (name, _), value in said.items() if name == "actnas_entries")
    hidden_too = len({entry.pk for entry in world.alice.entries.all()})
    assert 0 < listed < hidden_too
    assert said[of("actnas_stage_seconds", stage="training", quantile="0.5")] == 340.0


@pytest.mark.usefixtures("is_open")
def test_the_number_of_queries_does_not_grow_with_the_rows(world: World) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as made:
            read()
        return len(made)

    few = count()
    for seed in range(4):
        world.entry(seed)
        world.running()
    assert (few, count()) == (QUERIES, QUERIES)


@pytest.mark.usefixtures("is_open")
def test_without_redis_it_says_so(settings: Settings, db: None) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert read()[of("actnas_redis_up")] == 0
