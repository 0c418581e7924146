"""Pausing a search: its worker lets go, what only it needs stops, and it resumes where it was."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.browser import factories
from tests.webapp.conftest import API, People, api_client
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.searches import services
from webapp.searches.models import Search

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-openvino-fp32"


@pytest.fixture
def search(people: People) -> Search:
    cpu = factories.pool()[0]
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name="Tea",
        target_ids=[TARGET],
    )
    return factories.running_search(asked, TARGET, cpu)


def fresh(search: Search) -> Job:
    return Search.objects.select_related("job").get(pk=search.pk).job  # type: ignore[return-value]


def test_the_running_worker_loses_it_and_cannot_end_it(search: Search) -> None:
    before = fresh(search)
    assert services.pause(search, by=search.request.owner)
    assert not services.pause(search, by=search.request.owner)
    assert fresh(search).state == State.PAUSED
    # What the worker tries when it notices.
    assert not jobs.end(before.pk, state=State.CANCELLED, claim=before.claim)
    assert not jobs.end(before.pk, state=State.FINISHED, claim=before.claim)
    assert jobs.sweep() == 0
    assert fresh(search).state == State.PAUSED


def test_what_only_it_needs_stops_and_measurements_come_back(search: Search) -> None:
    job = fresh(search)
    shared, alone = (
        jobs.create(kind=kind, queue="nobody", payload={}) for kind in (Kind.TRAIN, Kind.MEASURE)
    )
    other = jobs.create(kind=Kind.SEARCH, queue="nobody", payload={})
    other.needs.add(shared)
    job.needs.add(shared, alone)
    services.pause(search, by=search.request.owner)
    states = dict(Job.objects.values_list("pk", "state"))
    assert (states[shared.pk], states[alone.pk]) == (State.QUEUED, State.CANCELLED)
    assert services.resume(search, by=search.request.owner)
    assert not services.resume(search, by=search.request.owner)
    states = dict(Job.objects.values_list("pk", "state"))
    assert (states[job.pk], states[alone.pk]) == (State.QUEUED, State.QUEUED)
    assert fresh(search).attempt == job.attempt


def test_a_paused_search_can_be_cancelled_but_not_retried(search: Search) -> None:
    services.pause(search, by=search.request.owner)
    search.refresh_from_db()
    assert not services.retry(search, by=search.request.owner)
    assert services.cancel_request(search.request, by=search.request.owner) == 1
    assert fresh(search).state == State.CANCELLED


def test_only_its_owner_pauses_and_resumes(search: Search, people: People) -> None:
    path = f"{API}/searches/{search.request_id}"
    assert api_client(people.stranger).post(f"{path}/pause").status_code == 404
    assert api_client().post(f"{path}/pause").status_code == 401
    assert fresh(search).state == State.RUNNING
    paused = api_client(people.owner).post(f"{path}/pause").json()
    assert (paused["state"], paused["searches"][0]["state"]) == ("running", "paused")
    resumed = api_client(people.owner).post(f"{path}/resume").json()
    assert resumed["searches"][0]["state"] == "queued"


def test_its_page_pauses_and_resumes_it(search: Search, people: People) -> None:
    client = Client()
    client.force_login(people.owner)
    page = f"/searches/{search.request_id}/"
    path = f"{page}{search.pk}"
    assert f'action="{path}/pause/"' in client.get(page).content.decode()
    client.post(f"{path}/pause/")
    paused = client.get(page).content.decode()
    assert f'action="{path}/resume/"' in paused
    assert f'action="{path}/pause/"' not in paused
    assert "What it has finished stays" in paused
    client.post(f"{path}/resume/")
    assert fresh(search).state == State.QUEUED
    assert client.get(f"{path}/pause/").status_code == 405
    stranger = Client()
    stranger.force_login(people.stranger)
    assert stranger.post(f"{path}/pause/").status_code == 403
