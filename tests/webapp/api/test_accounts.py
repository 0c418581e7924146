"""Sign-up, tokens, and what they allow."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.webapp.conftest import API, PASSWORD, People, api_client
from webapp.accounts.models import ApiToken

pytestmark = pytest.mark.django_db

JSON = "application/json"


def test_a_new_user_signs_up_gets_a_token_and_uses_it(client: Client) -> None:
    who = {"username": "carol", "password": PASSWORD}
    assert client.post(f"{API}/users", who, content_type=JSON).status_code == 201
    made = client.post(f"{API}/tokens", {**who, "name": "laptop"}, content_type=JSON)
    assert made.status_code == 201
    text = made.json()["token"]
    assert text.startswith("actnas_")
    token = ApiToken.objects.get()
    assert token.name == "laptop"
    assert text.split("_", 2)[2] not in token.key_hash
    me = client.get(f"{API}/users/me", headers={"Authorization": f"Bearer {text}"})
    assert me.json() == {"username": "carol", "email": "", "email_confirmed": False}
    token.refresh_from_db()
    assert token.last_used is not None


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"username": "carol", "password": "short"}, 422, "too short"),
        ({"username": "carol", "password": "1234567890123"}, 422, "numeric"),
        ({"username": "two words", "password": PASSWORD}, 422, "valid username"),
        ({"username": "alice", "password": PASSWORD}, 409, "'alice' is taken"),
        ({"username": "carol"}, 422, "password: Field required"),
    ],
)
def test_a_bad_sign_up_says_what_is_wrong(
    client: Client, people: People, body: dict[str, str], status: int, said: str
) -> None:
    answer = client.post(f"{API}/users", body, content_type=JSON)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert said in problem["detail"]
    assert "\n" not in problem["detail"]


def test_a_closed_site_takes_no_new_users(client: Client, settings: Settings) -> None:
    settings.SIGN_UP = False
    who = {"username": "carol", "password": PASSWORD}
    assert client.post(f"{API}/users", who, content_type=JSON).status_code == 403
    assert not User.objects.exists()


def test_a_wrong_password_gets_no_token(client: Client, people: People) -> None:
    body = {"username": "alice", "password": "not this one"}
    answer = client.post(f"{API}/tokens", body, content_type=JSON)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "user name or password is wrong"


def test_revoked_forged_and_missing_tokens_are_refused(people: People) -> None:
    token, text = ApiToken.objects.issue(user=people.owner, name="t")
    forged = text[:-1] + ("A" if text[-1] != "A" else "B")
    for bad in (forged, "actnas_00000000_x", "nonsense", "actnas__", ""):
        client = Client(headers={"Authorization": f"Bearer {bad}"})
        assert client.get(f"{API}/users/me").status_code == 401, bad
    token.revoke()
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.get(f"{API}/users/me").status_code == 401
    # A wrong token is refused even where nobody needs one: the sender believes to be signed in.
    assert client.get(f"{API}/leaderboard").status_code == 401
    assert Client().get(f"{API}/leaderboard").status_code == 200


def test_a_token_of_a_closed_account_is_dead(people: People) -> None:
    client = api_client(people.owner)
    User.objects.filter(pk=people.owner.pk).update(is_active=False)
    assert client.get(f"{API}/users/me").status_code == 401


def test_a_token_that_may_read_may_not_write(people: People) -> None:
    _, text = ApiToken.objects.issue(user=people.owner, name="t", scopes=["read"])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.get(f"{API}/models").status_code == 200
    answer = client.post(f"{API}/searches/x/cancel")
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "this token lacks the scope 'write'",
    )


def test_a_session_needs_the_csrf_token_to_write(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.owner)
    assert client.get(f"{API}/models").status_code == 200
    assert client.post(f"{API}/searches/x/cancel").status_code == 403
