"""The administration pages: every list and form opens, and the actions act."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.browser import factories
from tests.webapp.conftest import People
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device
from webapp.searches.models import Search, SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)

OURS = [model for model in admin.site._registry if model.__module__.startswith("webapp.")]


@pytest.fixture
def staff(people: People) -> Client:
    client = Client()
    client.force_login(people.admin)
    cpu, _ = factories.pool()
    model, data = factories.detector(people.owner), factories.data_set(people.owner)
    target = "cpu-openvino-fp32"
    request = factories.request(people.owner, model, data, name="Tea", target_ids=[target])
    factories.finished_search(request, target, cpu, seed=1)
    return client


def act(client: Client, name: str, action: str, *keys: object, reason: str = "") -> None:
    """Choose an action for rows of a list; give the reason that it asks for, if there is one."""
    app, model = name.split("_")
    path = reverse(f"admin:{app}_{model}_changelist")
    form: dict[str, Any] = {"action": action, "_selected_action": list(keys)}
    if reason:
        asked = client.post(path, form).content.decode()
        assert "Reason, shown to" in asked
        assert "Say why" in client.post(path, form | {"reason": " "}).content.decode()
        form["reason"] = reason
    answer = client.post(path, form)
    assert answer.status_code == 302, answer.content[:500]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_row_opens(staff: Client, model: type) -> None:
    names = model._meta.app_label, model._meta.model_name  # type: ignore[attr-defined]
    assert staff.get(reverse("admin:{}_{}_changelist".format(*names))).status_code == 200
    row = model.objects.first()  # type: ignore[attr-defined]
    if row is not None:
        path = reverse("admin:{}_{}_change".format(*names), args=[row.pk])
        assert staff.get(path).status_code == 200


def test_only_staff_gets_in(people: People) -> None:
    client = Client()
    client.force_login(people.owner)
    assert client.get(reverse("admin:jobs_job_changelist")).status_code == 302


def test_devices_are_taken_out_and_put_back(staff: Client) -> None:
    device = Device.objects.get(slug="looking-glass-cpu")
    act(staff, "pool_device", "take_out", device.pk, reason="new fan")
    device.refresh_from_db()
    assert (device.health, device.in_service) == ("maintenance", False)
    act(staff, "pool_device", "put_back", device.pk, reason="it turns")
    act(staff, "pool_device", "check_now", device.pk)  # being put back asked for one already
    device.refresh_from_db()
    assert (device.health, device.in_service) == ("unknown", True)
    assert device.health_checks.get(ended__isnull=True).job is not None
    act(staff, "pool_device", "retire", device.pk, reason="sold")
    told = [(c.was, c.now, c.reason, c.author) for c in device.health_changes.all()[:3]]
    assert told == [
        ("unknown", "retired", "sold", "root"),
        ("maintenance", "unknown", "it turns", "root"),
        ("good", "maintenance", "new fan", "root"),
    ]


def test_jobs_are_cancelled_and_run_again_with_a_reason_that_the_owner_sees(
    staff: Client, people: People
) -> None:
    request = SearchRequest.objects.get()
    job = Job.objects.create(
        kind=Kind.SEARCH, queue="nobody", owner=people.owner, payload={"id": "x"}
    )
    Search.objects.create(request=request, target="cpu-litert-int8", job=job)
    owner = Client()
    owner.force_login(people.owner)

    act(staff, "jobs_job", "cancel", job.pk, reason="the host moves")
    job.refresh_from_db()
    assert (job.state, job.reason) == (
        State.CANCELLED,
        "cancelled by the administrator root: the host moves",
    )
    assert job.reason in owner.get(f"/searches/{request.pk}/").content.decode()

    act(staff, "jobs_job", "requeue", job.pk, reason="it is back")
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.QUEUED, "")
    page = owner.get(f"/searches/{request.pk}/").content.decode()
    assert "Queued again by the administrator root: it is back." in page


def test_searches_are_cancelled_and_retried(staff: Client, people: People) -> None:
    request = SearchRequest.objects.get()
    search = factories.running_search(
        factories.request(
            people.owner,
            request.detector,
            request.data_set,
            name="Queen",
            target_ids=["cpu-openvino-fp32"],
        ),
        "cpu-openvino-fp32",
        Device.objects.get(slug="looking-glass-cpu"),
    )
    act(staff, "searches_search", "cancel", search.pk, reason="too hot")
    job = Job.objects.get(search=search)
    assert job.reason == "cancelled by the administrator root: too hot"
    act(staff, "searches_search", "retry", search.pk, reason="cooler now")
    job.refresh_from_db()
    assert (job.state, job.message) == (
        State.QUEUED,
        "queued again by the administrator root: cooler now",
    )


def test_an_entry_is_withdrawn(staff: Client) -> None:
    entry = Entry.objects.get()
    act(staff, "leaderboard_entry", "withdraw", entry.pk, reason="a wrong label")
    entry.refresh_from_db()
    assert entry.withdrawn_reason == "withdrawn by the administrator root: a wrong label"


def test_only_who_may_delete_acts(staff: Client, people: People) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(clerk)
    job = jobs.create(kind=Kind.VALIDATE_MODEL, queue="nobody", payload={"id": "x"})
    path = reverse("admin:jobs_job_changelist")
    client.post(path, {"action": "cancel", "_selected_action": [job.pk], "reason": "fun"})
    job.refresh_from_db()
    assert job.state == State.QUEUED
