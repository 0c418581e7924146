"""Webhooks over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.webapp.conftest import API, People, api_client
from webapp.api.models import Replay
from webapp.audit.models import Record
from webapp.webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

HOOKS = f"{API}/webhooks"
URL = "https://1.1.1.1/in"


def make(client: Client, url: str = URL, **headers: str) -> Any:
    return client.post(HOOKS, {"url": url}, "application/json", headers=headers)


def test_a_webhook_is_made_listed_and_deleted(people: People) -> None:
    client = api_client(people.owner)
    made = make(client)
    assert made.status_code == 201
    assert made.json()["secret"] == Webhook.objects.get().secret
    (listed,) = client.get(HOOKS).json()
    assert listed == {key: value for key, value in made.json().items() if key != "secret"}
    path = f"{HOOKS}/{listed['id']}"
    assert client.get(path).json() == listed
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get(HOOKS).json() == []
    # The trail names the host: the rest of an address may be a key.
    assert list(Record.objects.values_list("action", "key", "detail")) == [
        ("deleted", listed["id"], "to 1.1.1.1"),
        ("added", listed["id"], "to 1.1.1.1"),
    ]


def test_secrets_are_shown_once_and_never_kept(people: People) -> None:
    client = api_client(people.owner)
    first = make(client, **{"Idempotency-Key": "tea"}).json()
    path = f"{HOOKS}/{first['id']}/secret"
    second = client.post(path, headers={"Idempotency-Key": "tea"}).json()
    assert second["secret"] != first["secret"]
    assert not Replay.objects.exists()


def test_deliveries_are_listed_with_their_attempts(people: People) -> None:
    client = api_client(people.owner)
    path = f"{HOOKS}/{make(client).json()['id']}"
    sent = client.post(f"{path}/test")
    assert (sent.status_code, sent.json()["state"]) == (201, "pending")
    assert client.post(f"{path}/test").status_code == 409
    tried = {"at": "2026-01-01T12:00:00Z", "status": 200, "error": "", "seconds": 0.2}
    Delivery.objects.update(state="delivered", attempts=[tried])
    (listed,) = client.get(f"{path}/deliveries").json()
    assert listed == {**sent.json(), "state": "delivered", "attempts": [tried]}
    client.post(f"{path}/test")
    page = client.get(f"{path}/deliveries?size=1")
    assert 'rel="next"' in page["Link"]


def test_there_are_at_most_ten(people: People) -> None:
    client = api_client(people.owner)
    assert [make(client).status_code for _ in range(10)] == [201] * 10
    answer = make(client)
    assert answer.status_code == 422
    assert "you have 10 webhooks" in answer.json()["detail"]
    assert make(api_client(people.stranger)).status_code == 201


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://169.254.169.254/latest/meta-data", "in a private, loopback"),
        ("http://1.1.1.1/", "is no https address"),
        ("https://1.1.1.1/" + "a" * 500, "at most 500 characters"),
    ],
)
def test_a_refused_address_says_why(people: People, url: str, said: str) -> None:
    answer = make(api_client(people.owner), url)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_strangers_see_and_change_nothing(people: People) -> None:
    path = f"{HOOKS}/{make(api_client(people.owner)).json()['id']}"
    for client, status in ((api_client(people.stranger), 404), (Client(), 401)):
        answers = [
            client.get(path),
            client.delete(path),
            client.post(f"{path}/secret"),
            client.post(f"{path}/test"),
            client.get(f"{path}/deliveries"),
        ]
        assert [answer.status_code for answer in answers] == [status] * 5
    assert api_client(people.stranger).get(HOOKS).json() == []
    assert Webhook.objects.get().version == 1
