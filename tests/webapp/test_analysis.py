"""The administrators' analysis: made by a real worker, exact, for staff only."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.browser import factories
from tests.webapp.conftest import People, Worker
from webapp.analysis import frames, services
from webapp.analysis.models import Analysis
from webapp.analysis.tasks import make
from webapp.jobs import runner
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import Device
from webapp.searches.models import Measurement, Search

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
PATH = "/admin/analysis/"
TARGET = "cpu-openvino-fp32"
QUERIES = 4  # session and user, the latest that is finished, the newest with its job


@pytest.fixture
def device(db: None) -> Device:
    """A CPU that has been in the pool for three days; the NPU beside it for a year."""
    cpu, npu = factories.pool()
    Device.objects.filter(pk=cpu.pk).update(created=NOW - timedelta(days=3))
    Device.objects.filter(pk=npu.pk).update(created=NOW - timedelta(days=365))
    return cpu


def browser(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def job(kind: Kind, *, ago: timedelta, waited: float = 2.0, **values: Any) -> Job:
    """A job that was asked for ``ago`` and began ``waited`` seconds later."""
    created = NOW - ago
    made = Job.objects.create(
        **{
            "kind": kind,
            "queue": "search",
            "state": State.FINISHED,
            "queued_at": created,
            "started": created + timedelta(seconds=waited),
            **values,
        }
    )
    Job.objects.filter(pk=made.pk).update(created=created)
    return made


def measured(search: Search, device: Device, **values: Any) -> None:
    made = job(Kind.MEASURE, **{"queue": device.queue, **values})
    Measurement.objects.create(
        search=search, device=device, hash=str(made.pk), document={}, job=made
    )


def searched(people: People, device: Device, *, seconds: list[float], **values: Any) -> Search:
    """A search whose stages took ``seconds``."""
    model = factories.detector(people.owner, name=str(seconds))
    asked = factories.request(people.owner, model, None, name="Tea", target_ids=[TARGET])
    made = job(Kind.SEARCH, **{"ago": timedelta(days=1), "ended": NOW, **values})
    stages = [
        {"name": f"s{i}", "title": f"Stage {i}", "seconds": took} for i, took in enumerate(seconds)
    ]
    return Search.objects.create(
        request=asked, target=TARGET, device=device, job=made, stages=stages
    )


def rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def test_searches_stand_on_the_day_on_which_they_were_asked_for(device: Device) -> None:
    for ago, state in (
        (timedelta(0), State.RUNNING),
        (timedelta(hours=12), State.FINISHED),  # midnight itself
        (timedelta(hours=13), State.FAILED),
        (timedelta(hours=13), State.FINISHED),
        (timedelta(days=6, hours=12), State.CANCELLED),
        (timedelta(days=6, hours=13), State.FINISHED),  # before the window
    ):
        job(Kind.SEARCH, ago=ago, state=state)
    job(Kind.TRAIN, ago=timedelta(0))
    table = frames.read(now=NOW, days=90).searches(7).set_index("day")
    assert list(table.index) == [f"2026-06-{day}" for day in range(24, 31)]
    assert table.loc["2026-06-30", ["running", "finished"]].tolist() == [1, 1]
    assert table.loc["2026-06-29", ["failed", "finished"]].tolist() == [1, 1]
    assert table.loc["2026-06-24", "cancelled"] == 1
    assert int(table.to_numpy().sum()) == 5


def test_a_device_is_as_busy_as_it_measured_since_it_was_there(
    people: People, device: Device
) -> None:
    search = searched(people, device, seconds=[1.0])
    measured(search, device, ago=timedelta(days=2), device_s=7200.0)
    # Before device time was kept: the length of the run.
    ended = NOW - timedelta(days=1) + timedelta(seconds=3602)
    measured(search, device, ago=timedelta(days=1), ended=ended, state=State.FAILED)
    measured(search, device, ago=timedelta(days=40), device_s=9e9)
    cpu, npu = rows(frames.read(now=NOW, days=90).devices(7))
    assert cpu == {
        "device": "looking-glass-cpu",
        "name": "Looking-glass CPU on looking-glass",
        "jobs": 2,
        "failed": 1,
        "measuring_s": 10_800.0,
        "share": round(10_800 / (3 * 86_400), 4),
    }
    assert (npu["jobs"], npu["share"]) == (0, 0.0)


def test_stages_have_their_median_and_90th_percentile(people: People, device: Device) -> None:
    for seconds in range(1, 12):
        searched(people, device, seconds=[float(seconds), 100.0])
    searched(people, device, seconds=[999.0], ended=NOW - timedelta(days=20))
    first, second = rows(frames.read(now=NOW, days=90).stages(7))
    assert (first["target"], first["stage"], first["title"]) == (TARGET, "s0", "Stage 0")
    assert (first["searches"], first["median_s"], first["p90_s"]) == (11, 6.0, 10.0)
    assert (second["stage"], second["median_s"]) == ("s1", 100.0)


def test_queues_say_how_long_jobs_waited(device: Device) -> None:
    for waited in (1.0, 2.0, 30.0):
        job(Kind.SEARCH, ago=timedelta(days=1), waited=waited)
    job(Kind.SEARCH, ago=timedelta(days=1), waited=-60.0, state=State.QUEUED)  # queued again
    job(Kind.TRAIN, ago=timedelta(days=8), queue="train")
    (queue,) = rows(frames.read(now=NOW, days=90).queues(7))
    assert queue == {
        "queue": "search",
        "jobs": 3,
        "median_s": 2.0,
        "p90_s": pytest.approx(24.4),
        "longest_s": 30.0,
    }


def test_an_empty_site_has_an_empty_analysis(db: None) -> None:
    analysis = Analysis.objects.create()
    make(analysis, now=NOW)
    week = analysis.document["7"]
    assert len(week.pop("searches")) == 7
    assert week == {"devices": [], "stages": [], "queues": []}


def test_a_worker_makes_it_and_the_page_shows_it(
    people: People, device: Device, work: Worker
) -> None:
    search = searched(people, device, seconds=[75.0])
    Job.objects.filter(search=search).update(created=pd.Timestamp.now("UTC").to_pydatetime())
    admin = browser(people.admin)
    assert "No figures yet" in admin.get(PATH).content.decode()
    for _ in range(2):  # asked twice, made once
        admin.post(f"{PATH}again/")
    assert "A worker is at it" in admin.get(PATH).content.decode()
    assert Job.objects.filter(kind=Kind.ANALYSIS).count() == 1
    work("validate")
    page = admin.get(f"{PATH}?days=7").content.decode()
    assert "A worker is at it" not in page
    assert "1 in 7 days" in page
    assert "Looking-glass CPU on looking-glass" in page
    text = admin.get(f"{PATH}7/searches.csv").content.decode()
    frame = pd.read_csv(io.StringIO(text))
    assert (len(frame), frame["finished"].sum()) == (7, 1)
    first = services.latest()
    again = services.make_again()
    assert "1 in 7 days" in admin.get(f"{PATH}?days=7").content.decode()  # the old one meanwhile
    assert again.job_id is not None
    runner.execute(again.job_id)
    assert Analysis.objects.count() == 1
    assert services.latest() != first


def test_a_failure_is_told(people: People, device: Device) -> None:
    asked = services.make_again()
    Job.objects.filter(analysis=asked).update(state=State.FAILED, reason="no memory left")
    page = browser(people.admin).get(PATH).content.decode()
    assert "The latest try did not end well: no memory left" in page
    assert services.make_again() != asked


def test_it_is_for_staff_and_linked_from_the_index(people: People, device: Device) -> None:
    factories.analysed()
    for user in (people.owner, people.stranger, None):
        client = browser(user)
        for path in (PATH, f"{PATH}30/stages.csv"):
            answer = client.get(path)
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
        assert client.post(f"{PATH}again/").status_code == 302
    assert not Job.objects.filter(kind=Kind.ANALYSIS).exists()
    admin = browser(people.admin)
    assert f'href="{PATH}"' in admin.get("/admin/").content.decode()
    for path in (f"{PATH}?days=8", f"{PATH}30/secrets.csv", f"{PATH}8/stages.csv"):
        assert admin.get(path).status_code == 404, path


def test_the_number_of_queries_does_not_grow(people: People, device: Device) -> None:
    admin = browser(people.admin)
    counts = []
    for seconds in (1.0, 2.0):
        searched(people, device, seconds=[seconds, 2.0])
        factories.analysed()
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(PATH).status_code == 200
        counts.append(len(queries))
    assert counts == [QUERIES, QUERIES]
