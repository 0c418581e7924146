"""Who may do what, for every address that the site has. A new address must be entered here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve

from tests.webapp import security_world
from tests.webapp.conftest import API
from tests.webapp.security_world import ANONYMOUS, OWNER, ROLES, STRANGER, World
from webapp.leaderboard.models import Entry

pytestmark = pytest.mark.django_db

JSON = "application/json"
LOGIN = 302  # to the sign-in page

# Status of a GET for owner, stranger, anonymous, staff; all is alice's and private.
EVERYBODY = (200, 200, 200, 200)
PRIVATE = (200, 404, 404, 200)
SIGNED_IN = (200, 200, LOGIN, 200)
SIGNED_IN_API = (200, 200, 401, 200)
OWN = (200, 404, LOGIN, 404)  # not even for staff, who have the administration pages
OWN_API = (200, 404, 401, 404)
POST_ONLY = (405, 405, 405, 405)
POST_SIGNED_IN = (405, 405, LOGIN, 405)
NOWHERE = (404, 404, 404, 404)

GETS: dict[str, tuple[int, ...]] = {
    "": EVERYBODY,
    "livez": EVERYBODY,
    "readyz": (503,) * 4,  # no worker runs in this test
    "metrics": NOWHERE,  # for an administrator's token, or by a setting
    "source": EVERYBODY,
    "entries.<str:kind>": EVERYBODY,
    "points.json": EVERYBODY,
    "snapshots/": POST_ONLY,
    "snapshots/<str:snapshot_id>/": EVERYBODY,  # of public entries
    "snapshots/<str:snapshot_id>/files/": EVERYBODY,
    "snapshots/<str:snapshot_id>/entries.<str:kind>": NOWHERE,  # not written yet
    "compare/": EVERYBODY,
    "references/": EVERYBODY,
    "method/": EVERYBODY,
    "entries/<str:entry_id>/": PRIVATE,
    "entries/<str:entry_id>/samples.json": PRIVATE,
    "entries/<str:entry_id>/withdraw/": POST_SIGNED_IN,
    "entries/<str:entry_id>/files/<str:name>": PRIVATE,
    "accounts/": SIGNED_IN,
    "accounts/webhooks/": SIGNED_IN,
    "accounts/webhooks/<slug:webhook_id>/": OWN,
    "accounts/webhooks/<slug:webhook_id>/test/": POST_SIGNED_IN,
    "accounts/webhooks/<slug:webhook_id>/secret/": POST_SIGNED_IN,
    "accounts/webhooks/<slug:webhook_id>/delete/": POST_SIGNED_IN,
    "accounts/sign-up/": EVERYBODY,
    "accounts/login/": (302, 302, 200, 302),  # who is signed in goes on
    "accounts/logout/": POST_ONLY,
    "accounts/password/": SIGNED_IN,
    "accounts/password/changed/": (302, 302, LOGIN, 302),
    "accounts/email/": SIGNED_IN,
    "accounts/delete/": SIGNED_IN,
    "accounts/forgotten/": EVERYBODY,
    "accounts/forgotten/sent/": EVERYBODY,
    "accounts/forgotten/<uidb64>/<token>/": EVERYBODY,  # says that the link is worth nothing
    "accounts/tokens/": SIGNED_IN,
    "accounts/tokens/<int:token_id>/revoke/": POST_SIGNED_IN,
    "models/upload/": SIGNED_IN,
    "models/<str:model_id>/": PRIVATE,
    "models/<str:model_id>/state/": PRIVATE,
    "data-sets/upload/": SIGNED_IN,
    "data-sets/<str:data_set_id>/": PRIVATE,
    "data-sets/<str:data_set_id>/state/": PRIVATE,
    "data-sets/<str:data_set_id>/<int:number>.webp": PRIVATE,
    "devices/": EVERYBODY,
    "devices/<slug:slug>/": EVERYBODY,
    "searches/": EVERYBODY,
    "searches/new/": SIGNED_IN,
    "searches/new/estimate/": SIGNED_IN,
    "searches/<str:request_id>/": PRIVATE,
    "searches/<str:request_id>/live/": PRIVATE,
    "searches/<str:request_id>/cross/": POST_SIGNED_IN,
    "searches/<str:request_id>/cancel/": POST_SIGNED_IN,
    "searches/<str:request_id>/<str:search_id>/figures/": PRIVATE,
    "searches/<str:request_id>/<str:search_id>/against/<str:other_id>/": PRIVATE,
    "searches/<str:request_id>/<str:search_id>/cancel/": POST_SIGNED_IN,
    "searches/<str:request_id>/<str:search_id>/pause/": POST_SIGNED_IN,
    "searches/<str:request_id>/<str:search_id>/resume/": POST_SIGNED_IN,
    "searches/<str:request_id>/<str:search_id>/retry/": POST_SIGNED_IN,
    "accounts/email/send/": POST_SIGNED_IN,
    "accounts/email/confirm/<str:token>/": (410,) * 4,  # a made-up link
    "api/v1/": NOWHERE,
    "api/v1/tokens/<prefix>": POST_ONLY,
    "api/v1/users/me/email": POST_ONLY,
    "api/v1/users/me/password": POST_ONLY,
    "api/v1/users/email-confirmations": POST_ONLY,
    "api/v1/users/forgotten-password": POST_ONLY,
    "api/v1/users/new-password": POST_ONLY,
    "api/v1/searches/<request_id>/log": PRIVATE,
    "api/v1/references": EVERYBODY,
    "api/v1/data-sets/<data_set_id>/pictures": PRIVATE,
    "api/v1/devices/<slug>": EVERYBODY,
    "api/v1/entries/<entry_id>/samples": PRIVATE,
    "api/v1/leaderboard/rankings": EVERYBODY,
    "api/v1/searches/<request_id>/cross": PRIVATE,
    "api/v1/searches/<request_id>/targets/<target>/<action>": POST_ONLY,
    "api/v1/searches/<search_id>/tried": PRIVATE,
    "api/v1/searches/estimate": (422, 422, 401, 422),  # it asks for a target
    "api/v1/openapi.json": EVERYBODY,
    "api/v1/docs": EVERYBODY,
    "api/v1/users": POST_ONLY,
    "api/v1/tokens": SIGNED_IN_API,
    "api/v1/users/me": SIGNED_IN_API,
    "api/v1/users/me/quotas": SIGNED_IN_API,
    "api/v1/models": SIGNED_IN_API,
    "api/v1/models/<model_id>": PRIVATE,
    "api/v1/data-sets": SIGNED_IN_API,
    "api/v1/data-sets/<data_set_id>": PRIVATE,
    "api/v1/targets": EVERYBODY,
    "api/v1/devices": EVERYBODY,
    "api/v1/searches": SIGNED_IN_API,
    "api/v1/searches/<request_id>": PRIVATE,
    "api/v1/searches/<request_id>/cancel": POST_ONLY,
    "api/v1/searches/<request_id>/pause": POST_ONLY,
    "api/v1/searches/<request_id>/resume": POST_ONLY,
    "api/v1/searches/<request_id>/retry": POST_ONLY,
    "api/v1/searches/<search_id>/result": PRIVATE,
    "api/v1/leaderboard": EVERYBODY,
    "api/v1/leaderboard/snapshots": POST_ONLY,
    "api/v1/leaderboard/snapshots/<snapshot_id>": EVERYBODY,
    "api/v1/entries/<entry_id>": PRIVATE,
    "api/v1/entries/<entry_id>/withdraw": POST_ONLY,
    "api/v1/entries/<entry_id>/files/<name>": PRIVATE,
    "api/v1/webhooks": SIGNED_IN_API,
    "api/v1/webhooks/<webhook_id>": OWN_API,
    "api/v1/webhooks/<webhook_id>/secret": POST_ONLY,
    "api/v1/webhooks/<webhook_id>/test": POST_ONLY,
    "api/v1/webhooks/<webhook_id>/deliveries": OWN_API,
}

# What changes something of alice's: status for a stranger and for anonymous.
CHANGES: dict[str, tuple[int, int]] = {
    "POST entries/<str:entry_id>/withdraw/": (404, LOGIN),
    "POST accounts/webhooks/<slug:webhook_id>/test/": (404, LOGIN),
    "POST accounts/webhooks/<slug:webhook_id>/secret/": (404, LOGIN),
    "POST accounts/webhooks/<slug:webhook_id>/delete/": (404, LOGIN),
    "POST accounts/tokens/<int:token_id>/revoke/": (404, LOGIN),
    "POST searches/<str:request_id>/cancel/": (404, LOGIN),
    "POST searches/<str:request_id>/<str:search_id>/cancel/": (404, LOGIN),
    "POST searches/<str:request_id>/<str:search_id>/pause/": (404, LOGIN),
    "POST searches/<str:request_id>/<str:search_id>/resume/": (404, LOGIN),
    "POST searches/<str:request_id>/<str:search_id>/retry/": (404, LOGIN),
    "POST api/v1/searches/<request_id>/cancel": (404, 401),
    "POST api/v1/searches/<request_id>/pause": (404, 401),
    "POST api/v1/searches/<request_id>/resume": (404, 401),
    "POST api/v1/searches/<request_id>/retry": (404, 401),
    "POST searches/<str:request_id>/cross/": (404, LOGIN),
    "POST api/v1/searches/<request_id>/cross": (404, 401),
    "POST api/v1/searches/<request_id>/targets/<target>/<action>": (404, 401),
    "DELETE api/v1/tokens/<prefix>": (404, 401),
    "POST api/v1/entries/<entry_id>/withdraw": (404, 401),
    "POST api/v1/webhooks/<webhook_id>/secret": (404, 401),
    "POST api/v1/webhooks/<webhook_id>/test": (404, 401),
    "DELETE api/v1/webhooks/<webhook_id>": (404, 401),
}
# Doors that take a form from anybody or from its own sender only: no object of somebody else's.
NO_OBJECT = {
    "snapshots/",
    "accounts/logout/",
    "accounts/email/send/",
    "api/v1/users",
    "api/v1/users/me/email",
    "api/v1/users/me/password",
    "api/v1/users/email-confirmations",
    "api/v1/users/forgotten-password",
    "api/v1/users/new-password",
    "api/v1/leaderboard/snapshots",
}


@pytest.fixture
def world(db: None) -> World:
    return security_world.build()


def pages() -> list[str]:
    return [route for route in security_world.routes() if not route.startswith("admin/")]


def test_every_address_is_in_the_table() -> None:
    """An address that nobody has thought about fails here."""
    assert set(pages()) == set(GETS)
    changing = {change.partition(" ")[2] for change in CHANGES}
    for route, statuses in GETS.items():
        if statuses in (POST_ONLY, POST_SIGNED_IN):
            assert (route in changing) != (route in NO_OBJECT), route


def content(answer: Any) -> str:
    return answer.getvalue().decode(errors="replace")


def test_who_may_read_what_and_nothing_private_shows(world: World) -> None:
    secret = [*security_world.SECRETS]
    secret += [world.ids[name] for name in ("model_id", "data_set_id", "request_id", "webhook_id")]
    secret += [world.ids["finished"], world.ids["search_id"], world.entry.pk]
    clients = {role: world.client(role) for role in ROLES}
    for route, wanted in GETS.items():
        path = security_world.filled(route, world.ids)
        answers = {role: client.get(path) for role, client in clients.items()}
        found = tuple(answer.status_code for answer in answers.values())
        assert found == wanted, route
        for role in (STRANGER, ANONYMOUS):
            if answers[role].status_code == 200:
                text = content(answers[role])
                assert not [word for word in secret if word in text], f"{route} for {role}"


def test_counts_leave_private_things_out(world: World) -> None:
    everybody = Entry.objects.filter(search__request__visibility="public").count()
    assert 0 < everybody < Entry.objects.count()
    for role in (STRANGER, ANONYMOUS):
        client = world.client(role)
        listed = client.get(f"{API}/leaderboard").json()
        assert (listed["count"], len(listed["entries"])) == (everybody, everybody)
        alices = client.get(f"{API}/leaderboard", {"owner": "alice"}).json()
        assert (alices["count"], alices["entries"]) == (0, [])
        found = client.get(f"{API}/leaderboard", {"q": "Bandersnatch"}).json()
        assert found["count"] == 0
    for kind in ("models", "data-sets", "searches"):
        mine = world.client(STRANGER).get(f"{API}/{kind}").json()
        assert len(mine) == 1, kind


def state() -> dict[str, list[dict[str, Any]]]:
    """Every row of ours, but for what a mere visit writes."""
    ours = [model for model in apps.get_models() if model.__module__.startswith("webapp.")]
    rows = {
        str(model._meta): list(model._default_manager.order_by("pk").values()) for model in ours
    }
    for token in rows["accounts.apitoken"]:
        token.pop("last_used")
    return rows


def send(client: Client, change: str, world: World) -> HttpResponse:
    method, _, route = change.partition(" ")
    path = security_world.filled(route, world.ids)
    body = '{"reason": "mine now"}' if route.startswith("api/") else "reason=mine+now"
    kind = JSON if route.startswith("api/") else "application/x-www-form-urlencoded"
    return client.generic(method, path, body, kind)  # type: ignore[return-value]


def test_strangers_change_nothing(world: World) -> None:
    clients = [world.client(role) for role in (STRANGER, ANONYMOUS)]
    before = state()
    for change, wanted in CHANGES.items():
        found = tuple(send(client, change, world).status_code for client in clients)
        assert found == wanted, change
    assert state() == before


def test_a_session_alone_changes_nothing(world: World) -> None:
    """Another site can make a browser send its cookies, but knows no token of a form."""
    client = Client(enforce_csrf_checks=True)
    alice = world.people[OWNER]
    assert alice is not None
    client.force_login(alice)
    before = state()
    # a snapshot of a public list is the same whoever asks for it: its form has no token
    free = ("api/", "livez", "readyz", "metrics", "snapshots/")
    forms = [f"POST {route}" for route in GETS if not route.startswith(free)]
    forms += [
        "POST api/v1/models",
        "POST api/v1/data-sets",
        "POST api/v1/searches",
        "POST api/v1/webhooks",
        "POST api/v1/leaderboard/snapshots",
        "DELETE api/v1/users/me",
    ]
    for change in dict.fromkeys([*forms, *CHANGES]):
        answer = send(client, change, world)
        assert answer.status_code in (403, 405), change
    assert state() == before


def test_administration_is_for_staff(world: World) -> None:
    """Every address below admin/, with made-up ids: nobody else gets further than the sign-in."""
    found = [route for route in security_world.routes() if route.startswith("admin/")]
    assert len(found) > 100
    stranger, anonymous = world.client(STRANGER), world.client(ANONYMOUS)
    for route in found:
        path = "/" + re.sub(r"\^|\$|/\?|\(\?P<\w+>[^)]*\)\??|<(?:\w+:)?\w+>", "1", route)
        path = path.replace("11", "1")
        if route in ("admin/login/", "admin/logout/"):
            continue
        resolve(path)
        for client in (stranger, anonymous):
            answer = client.get(path)
            assert answer.status_code == 302, route
            assert "/login/" in answer["Location"], route


def test_staff_without_rights_sees_no_administration(world: World) -> None:
    """Being staff is no right by itself; each page asks for its own."""
    from tests.browser import factories

    helper = Client()
    helper.force_login(factories.user("helper", staff=True))
    for name in ("catalog/detector", "audit/record", "auth/user", "accounts/apitoken"):
        assert helper.get(f"/admin/{name}/").status_code == 403, name
