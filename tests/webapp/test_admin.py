"""The administration pages: every list and form opens, and the actions act."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.browser import factories
from tests.webapp.conftest import People
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device

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


def act(client: Client, name: str, action: str, *keys: object) -> None:
    app, model = name.split("_")
    path = reverse(f"admin:{app}_{model}_changelist")
    answer = client.post(path, {"action": action, "_selected_action": list(keys)})
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
    act(staff, "pool_device", "take_out", device.pk)
    device.refresh_from_db()
    assert not device.enabled
    act(staff, "pool_device", "enable", device.pk)
    device.refresh_from_db()
    assert device.enabled


def test_jobs_are_cancelled_and_run_again(staff: Client) -> None:
    job = jobs.create(kind=Kind.VALIDATE_MODEL, queue="validate", payload={"id": "x"})
    act(staff, "jobs_job", "cancel", job.pk)
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled by the administrator root")
    act(staff, "jobs_job", "requeue", job.pk)
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.QUEUED, "")


def test_an_entry_is_withdrawn(staff: Client) -> None:
    entry = Entry.objects.first()
    assert entry is not None
    act(staff, "leaderboard_entry", "withdraw", entry.pk)
    entry.refresh_from_db()
    assert entry.withdrawn_reason == "withdrawn by the administrator root"
    assert Job.objects.exists()
