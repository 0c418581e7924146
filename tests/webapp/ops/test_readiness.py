"""/livez and /readyz: what they say to whom, and that they say nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from redis import Redis

from tests.webapp.conftest import Worker
from webapp.jobs import beats, queues
from webapp.ops.readiness import SHARED
from webapp.pool.models import Device
from webapp.pool.services import ensure_local

DEVICES = ["device-here-cpu", "device-here-ethos-u"]
HOUR_AGO = 3600


@pytest.fixture(autouse=True)
def fresh(db: None) -> Iterator[None]:
    ensure_local(host_name="here", cpu_model="Test CPU")
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def all_served(redis_server: str) -> None:
    beats.beat(Redis.from_url(redis_server), [*SHARED, *DEVICES])


def silence(queue: str) -> None:
    """The last worker of the queue reported an hour ago."""
    client = queues.connection()
    client.hset("actnas-beats", queue, client.time()[0] - HOUR_AGO)


def ask(query: str = "") -> tuple[int, dict[str, Any]]:
    answer = Client().get(f"/readyz{query}")
    return answer.status_code, answer.json()


def test_living_asks_nobody() -> None:
    with CaptureQueriesContext(connection) as made:
        answer = Client().get("/livez")
    assert (answer.status_code, answer.json(), len(made)) == (200, {"live": True}, 0)
    assert "no-store" in answer["Cache-Control"]


def test_a_site_with_a_worker_for_every_queue_is_ready(all_served: None) -> None:
    status, said = ask()
    assert (status, said["ready"], said["reasons"]) == (200, True, [])
    assert said["checks"] == dict.fromkeys(("database", "redis", "storage", "workers"), True)
    assert set(said["worker_age_s"]) == {*SHARED, *DEVICES}
    assert all(0 <= age < 30 for age in said["worker_age_s"].values())


def test_a_worker_process_reports_its_queue(work: Worker, redis_server: str) -> None:
    client = Redis.from_url(redis_server)
    assert beats.ages(client) == {}
    work("validate")
    assert set(beats.ages(client)) == {"validate"}


@pytest.mark.usefixtures("all_served")
def test_a_silent_shared_queue_is_named() -> None:
    silence("train")
    status, said = ask()
    (reason,) = said["reasons"]
    assert status == 503
    assert re.fullmatch(r"queue train: no worker for 36\d\d s", reason), reason
    assert ask("?exclude=workers")[0] == 200  # for what decides whether pages can be served


@pytest.mark.usefixtures("all_served")
def test_one_device_may_be_away_but_not_all() -> None:
    silence(DEVICES[0])
    assert ask()[0] == 200
    silence(DEVICES[1])
    cache.clear()
    status, said = ask()
    assert (status, len(said["reasons"])) == (503, 2)
    Device.objects.update(health="maintenance")  # nobody expects anything of them
    cache.clear()
    assert ask()[0] == 200


@pytest.mark.usefixtures("all_served")
def test_a_part_that_is_away_is_named_and_nothing_else(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "secret-place"
    in_the_way.touch()  # a file where the folder should be: nothing can be written below it
    settings.FILE_UPLOAD_TEMP_DIR = str(in_the_way)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    def away(execute: Callable[..., Any], *arguments: Any) -> Any:
        raise OperationalError("password of secret-place refused")

    with connection.execute_wrapper(away):
        status, said = ask()
    assert status == 503
    assert said["reasons"] == [
        "database: does not answer",
        "redis: does not answer",
        "storage: cannot be written",
    ]
    assert "secret" not in str(said)
    assert "127.0.0.1" not in str(said)


def test_it_leaves_nothing_in_the_storage(all_served: None, site: Path) -> None:
    assert ask()[0] == 200
    assert [path for path in (site / "storage").rglob("*") if path.is_file()] == []


def test_asking_again_at_once_costs_nothing(all_served: None) -> None:
    ask()
    with CaptureQueriesContext(connection) as made:
        assert ask()[0] == 200
    assert len(made) == 0


def test_an_unknown_check_is_refused() -> None:
    status, said = ask("?exclude=weather")
    assert status == 400
    assert said["detail"].startswith("exclude=weather: there is no such check; known: database")
