"""The audit trail: every door writes it, nobody rewrites it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browser import factories
from tests.webapp.conftest import API, PASSWORD, People, api_client
from webapp.accounts.models import ApiToken
from webapp.audit.choices import Action
from webapp.audit.models import NeverChanged, Record, RecordQuerySet
from webapp.jobs.choices import State
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device
from webapp.searches.models import Search, SearchRequest

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-openvino-fp32"
JSON = "application/json"


def acts() -> RecordQuerySet:
    """What was done, but for signing in."""
    return Record.objects.exclude(action=Action.SIGNED_IN)


def trail() -> list[tuple[str, str, str, str]]:
    """(actor, action, kind, detail), from old to new."""
    rows = acts().order_by("pk")
    return list(rows.values_list("actor", "action", "kind", "detail"))


@pytest.fixture
def entry(people: People) -> Entry:
    model, data = factories.detector(people.owner), factories.data_set(people.owner)
    asked = factories.request(people.owner, model, data, name="Tea", target_ids=[TARGET])
    return factories.finished_search(asked, TARGET, factories.pool()[0], seed=1)[1][0]


def running(entry: Entry) -> Search:
    asked = factories.request(
        entry.owner, entry.detector, entry.data_set, name="Queen", target_ids=[TARGET]
    )
    return factories.running_search(asked, TARGET, Device.objects.get(slug="looking-glass-cpu"))


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def by_page(entry: Entry, people: People) -> None:
    browser(people.owner).post(f"/entries/{entry.pk}/withdraw/", {"reason": "wrong labels"})


def by_api(entry: Entry, people: People) -> None:
    body = {"reason": "wrong labels"}
    api_client(people.owner).post(f"{API}/entries/{entry.pk}/withdraw", body, JSON)


def by_admin(entry: Entry, people: People) -> None:
    chosen = {"action": "withdraw", "_selected_action": [entry.pk], "reason": "wrong labels"}
    browser(people.admin).post("/admin/leaderboard/entry/", chosen)


@pytest.mark.parametrize(
    ("door", "actor", "detail"),
    [
        (by_page, "alice", "wrong labels"),
        (by_api, "alice", "wrong labels"),
        (by_admin, "root", "withdrawn by the administrator root: wrong labels"),
    ],
)
def test_a_withdrawal_is_recorded_through_each_door(
    people: People,
    entry: Entry,
    door: Callable[[Entry, People], None],
    actor: str,
    detail: str,
) -> None:
    door(entry, people)
    assert trail() == [(actor, "withdrawn", "entry", detail)]
    assert acts().get().key == entry.pk
    door(entry, people)
    assert acts().count() == 1  # the second time nothing was done


def test_the_life_of_a_search_is_recorded(people: People, entry: Entry) -> None:
    search = running(entry)
    page, api = f"/searches/{search.request_id}", f"{API}/searches/{search.request_id}"
    owner, admin, script = browser(people.owner), browser(people.admin), api_client(people.owner)
    owner.post(f"{page}/{search.pk}/pause/")
    script.post(f"{api}/resume")
    admin.post(f"{page}/cancel/")
    script.post(f"{api}/retry")
    api_client(people.stranger).post(f"{api}/cancel")  # not hers: nothing happens
    assert [row[:3] for row in trail()] == [
        ("alice", "paused", "job"),
        ("alice", "resumed", "job"),
        ("root", "cancelled", "job"),
        ("alice", "requeued", "job"),
    ]
    assert trail()[2][3] == "of alice: cancelled by the administrator root"
    assert Search.objects.get(pk=search.pk).state == State.QUEUED


def test_devices_users_and_allowances_are_recorded(people: People, entry: Entry) -> None:
    admin = browser(people.admin)
    device = Device.objects.get(slug="looking-glass-cpu")
    for action in ("take_out", "take_out", "put_back", "retire"):
        chosen = {"action": action, "_selected_action": [device.pk], "reason": "new fan"}
        admin.post("/admin/pool/device/", chosen)
    form: dict[str, Any] = {"user": people.owner.pk, "searches_at_once": 3, "note": "a paper"}
    admin.post("/admin/accounts/allowance/add/", form)
    allowance = people.owner.allowance
    admin.post(
        f"/admin/accounts/allowance/{allowance.pk}/change/", {"searches_at_once": 9, "note": ""}
    )
    admin.post(f"/admin/accounts/allowance/{allowance.pk}/delete/", {"post": "yes"})
    host = {"name": "looking-glass", "notes": "in the cellar"}
    admin.post(f"/admin/pool/host/{device.host_id}/change/", host)
    assert trail() == [
        ("root", "taken_out", "device", "new fan"),
        ("root", "enabled", "device", "new fan"),
        ("root", "checked", "device", ""),
        ("root", "retired", "device", "new fan"),
        ("root", "added", "allowance", "searches_at_once: None -> 3"),
        ("root", "changed", "allowance", "searches_at_once: 3 -> 9"),
        ("root", "deleted", "allowance", ""),
        ("root", "changed", "host", "fields: Notes"),
    ]


def test_tokens_and_the_end_of_an_account_are_recorded(people: People, entry: Entry) -> None:
    who = {"username": "alice", "password": PASSWORD, "name": "laptop"}
    assert Client().post(f"{API}/tokens", who, JSON).status_code == 201
    owner = browser(people.owner)
    owner.post("/accounts/tokens/", {"name": "page", "scopes": ["read"]})
    laptop, page = (ApiToken.objects.get(name=name) for name in ("laptop", "page"))
    owner.post(f"/accounts/tokens/{page.pk}/revoke/")
    owner.post(f"/accounts/tokens/{page.pk}/revoke/")
    chosen = {"action": "revoke", "_selected_action": [laptop.pk]}
    browser(people.admin).post("/admin/accounts/apitoken/", chosen)
    owner.post("/accounts/delete/", {"password": PASSWORD})
    assert trail() == [
        ("alice", "issued", "API token", "may read, write"),
        ("alice", "issued", "API token", "may read"),
        ("alice", "revoked", "API token", "of alice"),
        ("root", "revoked", "API token", "of alice"),
        ("alice", "deleted", "user", "with everything in the account"),
    ]
    assert not SearchRequest.objects.exists()
    assert not any(str(token.key_hash) in str(list(Record.objects.values())) for token in (laptop,))


def test_nobody_rewrites_it(people: People, entry: Entry) -> None:
    by_page(entry, people)
    row = acts().get()
    row.actor = "mallory"
    for act in (
        row.save,
        row.delete,
        Record.objects.all().delete,
        lambda: Record.objects.update(actor="mallory"),
        lambda: Record.objects.bulk_update([row], ["actor"]),
    ):
        with pytest.raises(NeverChanged):
            act()
    admin = browser(people.admin)
    path = f"/admin/audit/record/{row.pk}"
    assert admin.post(f"{path}/change/", {"actor": "mallory"}).status_code == 403
    assert admin.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/audit/record/add/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    admin.post("/admin/audit/record/", chosen)
    assert trail() == [("alice", "withdrawn", "entry", "wrong labels")]


def test_it_is_filtered_and_for_administrators_only(people: People, entry: Entry) -> None:
    by_page(entry, people)
    browser(people.admin).post(
        "/admin/pool/device/",
        {"action": "take_out", "_selected_action": [Device.objects.get(slug__endswith="cpu").pk]},
    )
    path = "/admin/audit/record/"
    admin = browser(people.admin)
    assert "wrong labels" in admin.get(path).content.decode()
    assert "wrong labels" not in admin.get(f"{path}?kind=device").content.decode()
    assert "wrong labels" not in admin.get(f"{path}?action__exact=taken_out").content.decode()
    assert "wrong labels" not in admin.get(f"{path}?q=root").content.decode()
    for user in (people.owner, people.stranger):
        assert browser(user).get(path).status_code == 302
    assert Client().get(path).status_code == 302
