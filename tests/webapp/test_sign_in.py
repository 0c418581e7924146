"""Signing in: limited per account at every door, and in the audit trail."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from tests.webapp.conftest import API, PASSWORD, People
from webapp.audit.choices import Action
from webapp.audit.models import Record

pytestmark = pytest.mark.django_db

JSON = "application/json"
PAGE, ADMIN, TOKENS = "/accounts/login/", "/admin/login/", f"{API}/tokens"


def knock(door: str, name: str, password: str, **more: str) -> tuple[int, str, str]:
    """(status, Retry-After, text) of one try at a door."""
    body = {"username": name, "password": password}
    client = Client(**more)  # type: ignore[arg-type]
    if door == TOKENS:
        answer = client.post(door, {**body, "name": "t"}, content_type=JSON)
    else:
        answer = client.post(door, body)
    return answer.status_code, answer.headers.get("Retry-After", ""), answer.content.decode()


@pytest.fixture(autouse=True)
def three_tries(settings: Settings) -> None:
    settings.RATE_WRONG_PASSWORDS = 3


@pytest.mark.parametrize("door", [PAGE, ADMIN, TOKENS])
@pytest.mark.parametrize("name", ["alice", "nobody-at-all"])
def test_an_account_takes_so_many_wrong_passwords(people: People, door: str, name: str) -> None:
    refused = 401 if door == TOKENS else 200
    for number in range(3):  # from anywhere: the account is what counts
        assert knock(door, name, "wrong", REMOTE_ADDR=f"192.0.2.{number}")[0] == refused
    status, wait, text = knock(door, name.upper(), PASSWORD)  # however it is written
    assert "oo many wrong passwords for this account; wait" in text
    if door != ADMIN:  # Django's own page
        assert status == 429
        assert 0 < int(wait) <= 60
    # nor at another door, and other accounts go on
    assert "oo many wrong passwords" in knock(TOKENS, name, PASSWORD)[2]
    assert knock(TOKENS, "mallory", PASSWORD)[0] == 201


def test_right_passwords_are_not_counted(people: People) -> None:
    for _ in range(5):
        assert knock(PAGE, "alice", PASSWORD)[0] == 302


@pytest.mark.parametrize("door", [PAGE, ADMIN, TOKENS])
def test_an_address_has_so_many_tries(people: People, settings: Settings, door: str) -> None:
    settings.RATE_SIGN_IN = 4
    for number in range(4):
        assert knock(door, f"name-{number}", "wrong")[0] in (200, 401)
    status, wait, text = knock(door, "alice", PASSWORD)
    assert status == 429
    assert 0 < int(wait) <= 60
    assert re.search(r"Wait \d+ s|ask again in \d+ s", text)


def test_the_trail_has_who_came_in_and_who_did_not(people: People) -> None:
    knock(PAGE, "alice", "wrong", REMOTE_ADDR="192.0.2.7")
    knock(PAGE, "my-password-in-the-wrong-field", "x", REMOTE_ADDR="192.0.2.8")
    knock(PAGE, "alice", PASSWORD, REMOTE_ADDR="192.0.2.7")
    knock(ADMIN, "root", PASSWORD)
    rows = Record.objects.order_by("pk").values_list("actor", "action", "kind", "detail")
    assert list(rows) == [
        ("alice", Action.NOT_SIGNED_IN, "user", "from 192.0.2.7"),
        ("", Action.NOT_SIGNED_IN, "user", "from 192.0.2.8"),
        ("alice", Action.SIGNED_IN, "user", "from 192.0.2.7"),
        ("root", Action.SIGNED_IN, "user", "from 127.0.0.1"),
    ]
    everything = [str(row) for row in Record.objects.values()]
    assert not [row for row in everything if "wrong-field" in row]
