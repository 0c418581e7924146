"""Quotas: what counts, what is refused, who sees it, and that two at once do not pass together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tests.browser import factories
from tests.webapp.conftest import API, People, api_client
from webapp.accounts import quotas
from webapp.accounts.models import Allowance
from webapp.catalog import services as catalog
from webapp.catalog.choices import UploadState
from webapp.catalog.models import DataSet, Detector
from webapp.errors import QuotaExceeded
from webapp.jobs import services as jobs
from webapp.jobs.choices import Fault, Kind, State
from webapp.jobs.models import Job
from webapp.searches import services as searches
from webapp.searches.models import SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)

CPU, INT8 = "cpu-openvino-fp32", "cpu-onnxruntime-int8"


@pytest.fixture(autouse=True)
def no_limit(settings: Settings) -> None:
    """Each test sets its own."""
    settings.QUOTA_STORED_MIB = 0
    settings.QUOTA_SEARCHES_AT_ONCE = 0
    settings.QUOTA_SEARCHES_A_DAY = 0
    settings.QUOTA_DEVICE_S_A_DAY = 0


@pytest.fixture
def model(people: People) -> Detector:
    """A public model of the owner's; devices serve every target."""
    factories.pool()
    return factories.detector(people.owner)


def ask(owner: User, model: Detector, *targets: str) -> SearchRequest:
    wish = searches.Wish(targets=targets or (CPU,))
    return searches.create_request(owner=owner, detector=model, data_set=None, wish=wish)


def used(user: User) -> dict[str, int]:
    return {quota.name: quota.used for quota in quotas.quotas_of(user)}


def end(request: SearchRequest, state: State, **facts: Any) -> None:
    for search in request.searches.select_related("job"):
        assert search.job is not None
        jobs.end(search.job.pk, state=state, states=(State.QUEUED,), **facts)


def all_at_once(count: int, act: Callable[[], object]) -> list[object]:
    """What ``count`` threads that call ``act`` at the same moment get: a value or QuotaExceeded."""
    start, got = threading.Barrier(count), []

    def run() -> None:
        start.wait()
        try:
            got.append(act())
        except QuotaExceeded as error:
            got.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_searches_at_once_are_limited_until_one_ends(
    people: People, model: Detector, settings: Settings
) -> None:
    settings.QUOTA_SEARCHES_AT_ONCE = 2
    first = ask(people.owner, model)
    with pytest.raises(QuotaExceeded) as refused:
        ask(people.owner, model, CPU, INT8)
    assert str(refused.value) == (
        "searches at once: 1 used, 2 asked for, 2 allowed; wait until one has ended, or cancel one"
    )
    assert SearchRequest.objects.count() == 1  # all of a request or nothing
    ask(people.stranger, model)  # others have their own
    end(first, State.FINISHED)
    ask(people.owner, model, CPU, INT8)
    assert used(people.owner)["searches_at_once"] == 2


def test_searches_a_day_count_neither_yesterdays_nor_what_we_broke(
    people: People, model: Detector, settings: Settings
) -> None:
    settings.QUOTA_SEARCHES_A_DAY = 1
    end(ask(people.owner, model), State.FAILED, fault=Fault.OURS)
    theirs = ask(people.owner, model)
    end(theirs, State.FAILED, fault=Fault.USER)
    with pytest.raises(QuotaExceeded, match="24 hours: 1 used, 1 asked for, 1 allowed; try again"):
        ask(people.owner, model)
    Job.objects.update(created=timezone.now() - timedelta(hours=25))
    ask(people.owner, model)


def test_device_time_counts_what_measured_within_the_day(
    people: People, model: Detector, settings: Settings
) -> None:
    settings.QUOTA_DEVICE_S_A_DAY = 100
    now = timezone.now()
    for seconds, fault, started in (
        (99.4, Fault.NONE, now),
        (500.0, Fault.OURS, now),
        (500.0, Fault.NONE, now - timedelta(hours=25)),
    ):
        Job.objects.create(
            kind=Kind.MEASURE,
            queue="device-x",
            owner=people.owner,
            state=State.FINISHED,
            fault=fault,
            started=started,
            device_s=seconds,
        )
    ask(people.owner, model)
    assert used(people.owner)["device_s_a_day"] == 99
    Job.objects.filter(device_s__lt=100).update(device_s=100)
    with pytest.raises(QuotaExceeded, match="24 hours: 100 s used, 100 s allowed; try again"):
        ask(people.owner, model)


def test_what_goes_on_again_needs_room_too(
    people: People, model: Detector, settings: Settings
) -> None:
    broken, paused = ask(people.owner, model, CPU, INT8), ask(people.owner, model)
    end(broken, State.FAILED, fault=Fault.OURS)
    searches.pause_request(paused, by=people.owner)
    settings.QUOTA_SEARCHES_AT_ONCE = 1
    with pytest.raises(QuotaExceeded, match="0 used, 2 asked for, 1 allowed"):
        searches.retry_request(broken, by=people.owner)
    assert not Job.objects.filter(state=State.QUEUED).exists()
    assert searches.resume_request(paused, by=people.owner) == 1

    client = Client()
    client.force_login(people.owner)
    search = broken.searches.all()[0]
    page = client.post(f"/searches/{broken.pk}/{search.pk}/retry/", follow=True).content.decode()
    assert "Not run again: searches at once: 1 used, 1 asked for, 1 allowed" in page
    assert searches.retry(search, by=people.admin)  # an administrator may


def test_stored_bytes_count_what_is_kept(people: People, settings: Settings) -> None:
    settings.QUOTA_STORED_MIB = 2

    def upload(kind: str, name: str) -> Any:
        file = SimpleUploadedFile(name, b"x" * 2**20)
        return api_client(people.owner).post(f"{API}/{kind}", {"file": file})

    assert upload("models", "a.pt").status_code == 201
    assert upload("data-sets", "b.zip").status_code == 201
    refused = upload("models", "c.pt")
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["detail"]) == (
        "quota-exceeded",
        "stored uploads: you keep 2,097,152 bytes, file 'c.pt' has 1,048,576; "
        "allowed are 2,097,152 together",
    )
    Detector.objects.update(state=UploadState.REFUSED)
    assert upload("models", "c.pt").status_code == 201

    client = Client()
    client.force_login(people.owner)
    form = {"file": SimpleUploadedFile("d.pt", b"x" * 2**20), "name": "", "visibility": "private"}
    page = client.post("/models/upload/", form)
    assert page.status_code == 422
    assert "stored uploads: you keep" in page.content.decode()


def test_two_requests_at_once_do_not_pass_together(
    people: People, model: Detector, settings: Settings
) -> None:
    settings.QUOTA_SEARCHES_AT_ONCE = 2
    got = all_at_once(6, lambda: ask(people.owner, model))
    assert sorted(type(one).__name__ for one in got) == 4 * ["QuotaExceeded"] + 2 * [
        "SearchRequest"
    ]
    assert SearchRequest.objects.count() == 2


def test_two_uploads_at_once_do_not_pass_together(
    people: People, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.QUOTA_STORED_MIB = 1
    # All of them see room before the first is stored: only the check under the lock is left.
    seen, check = threading.Barrier(4), quotas.check_upload
    early = threading.local()

    def wait_for_the_others(user: User, *, name: str, size: int) -> None:
        check(user, name=name, size=size)
        if not getattr(early, "done", False):
            early.done = True
            seen.wait()

    monkeypatch.setattr(quotas, "check_upload", wait_for_the_others)
    got = all_at_once(
        4,
        lambda: catalog.upload_model(
            owner=people.owner, file=SimpleUploadedFile("a.pt", b"x" * 2**19 + b"y")
        ),
    )
    assert sum(isinstance(one, Detector) for one in got) == 1
    (kept,) = Detector.objects.all()
    folders, _ = default_storage.listdir("models")
    files = [name for folder in folders for name in default_storage.listdir(f"models/{folder}")[1]]
    assert (folders.count(kept.pk), len(files)) == (1, 1)  # what was refused left no file


def test_an_administrator_allows_one_user_more(
    people: People, model: Detector, settings: Settings
) -> None:
    settings.QUOTA_SEARCHES_AT_ONCE = 1
    admin = Client()
    admin.force_login(people.admin)
    form = {"user": people.owner.pk, "searches_at_once": 3, "searches_a_day": 0, "note": "a paper"}
    assert admin.post("/admin/accounts/allowance/add/", form).status_code == 302
    ask(people.owner, model, CPU, INT8)
    with pytest.raises(QuotaExceeded):
        ask(people.stranger, model, CPU, INT8)
    # 0 lifts a limit of the site's.
    Allowance.objects.update(searches_at_once=0)
    ask(people.owner, model, CPU, INT8)
    # Nobody allows himself anything.
    stranger = Client()
    stranger.force_login(people.stranger)
    assert stranger.post("/admin/accounts/allowance/add/", form).status_code == 302
    assert Allowance.objects.count() == 1


def test_users_see_their_own(people: People, model: Detector, settings: Settings) -> None:
    settings.QUOTA_SEARCHES_AT_ONCE = 1
    settings.QUOTA_DEVICE_S_A_DAY = 7200
    ask(people.owner, model)
    factories.data_set(people.owner)
    answer = api_client(people.owner).get(f"{API}/users/me/quotas")
    assert answer.json() == [
        {
            "name": "stored_bytes",
            "unit": "bytes",
            "used": model.size + DataSet.objects.get().size,
            "allowed": None,
        },
        {"name": "searches_at_once", "unit": "searches", "used": 1, "allowed": 1},
        {"name": "searches_a_day", "unit": "searches", "used": 1, "allowed": None},
        {"name": "device_s_a_day", "unit": "s", "used": 0, "allowed": 7200},
    ]
    theirs = api_client(people.stranger).get(f"{API}/users/me/quotas").json()
    assert [one["used"] for one in theirs] == [0, 0, 0, 0]
    assert Client().get(f"{API}/users/me/quotas").status_code == 401

    client = Client()
    client.force_login(people.owner)
    page = client.get("/accounts/").content.decode()
    for said in ("52.4\u00a0MiB", "no limit", "2\u00a0h 00\u00a0min", "used up"):
        assert said in page, said
