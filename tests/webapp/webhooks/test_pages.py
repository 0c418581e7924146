"""The pages of webhooks: the secret once, why it is off, and nothing for strangers."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from tests.webapp.conftest import People
from tests.webapp.webhooks.conftest import Receiver
from webapp.webhooks import services
from webapp.webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

LIST = "/accounts/webhooks/"


@pytest.fixture
def alice(people: People) -> Client:
    client = Client()
    client.force_login(people.owner)
    return client


@pytest.mark.usefixtures("private")
def test_the_secret_is_shown_once(alice: Client, receiver: Receiver) -> None:
    answer = alice.post(LIST, {"url": receiver.url})
    made = Webhook.objects.get()
    page = f"{LIST}{made.pk}/"
    assert made.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert made.site == "http://testserver"
    for path in (LIST, page):
        assert made.secret not in alice.get(path).content.decode()
    renewed = alice.post(f"{page}secret/").content.decode()
    assert made.secret not in renewed
    made.refresh_from_db()
    assert made.secret in renewed


def test_a_refused_address_says_why(alice: Client) -> None:
    for url, said in (
        ("https://127.0.0.1/", "private, loopback"),
        ("http://1.1.1.1/", "no https address"),
        ("", "This field is required"),
    ):
        answer = alice.post(LIST, {"url": url})
        assert answer.status_code == 422
        assert said in answer.content.decode()
    assert not Webhook.objects.exists()


def test_a_test_is_sent_and_seen_and_the_webhook_deleted(alice: Client, people: People) -> None:
    made = services.create(owner=people.owner, url="https://1.1.1.1/in", site="http://testserver")
    page = f"{LIST}{made.pk}/"
    assert "None yet. Send a test" in alice.get(page).content.decode()
    assert "on its way" in alice.post(f"{page}test/", follow=True).content.decode()
    again = alice.post(f"{page}test/", follow=True).content.decode()
    assert "the last test is still on its way" in again
    delivery = Delivery.objects.get()
    attempts = [{"at": "2026-01-01T12:00:00+00:00", "status": 500, "error": "answered 500"}]
    Delivery.objects.update(state="failed", attempts=[{**row, "seconds": 0.25} for row in attempts])
    text = alice.get(page).content.decode()
    assert "answered 500, 0.25 s" in text
    assert delivery.pk in text
    assert alice.get(f"{page}delete/").status_code == 405
    assert "told nothing any more" in alice.post(f"{page}delete/", follow=True).content.decode()
    assert not Webhook.objects.exists()


def test_a_webhook_that_was_switched_off_says_so(alice: Client, people: People) -> None:
    made = services.create(owner=people.owner, url="https://1.1.1.1/in", site="http://testserver")
    Webhook.objects.update(failures=20, switched_off=timezone.now())
    assert "its last 20 deliveries failed" in alice.get(f"{LIST}{made.pk}/").content.decode()
    assert "switched off" in alice.get(LIST).content.decode()


def test_strangers_see_and_change_nothing(people: People) -> None:
    made = services.create(owner=people.owner, url="https://1.1.1.1/in", site="http://testserver")
    stranger, nobody = Client(), Client()
    stranger.force_login(people.stranger)
    assert made.url not in stranger.get(LIST).content.decode()
    page = f"{LIST}{made.pk}/"
    for client, status in ((stranger, 404), (nobody, 302)):
        assert client.get(page).status_code == status
        for action in ("test/", "secret/", "delete/"):
            assert client.post(page + action).status_code == status
    assert Webhook.objects.get().version == 1
    assert not Delivery.objects.exists()


def test_the_address_is_escaped(alice: Client, people: People) -> None:
    made = services.create(owner=people.owner, url="https://1.1.1.1/", site="http://testserver")
    Webhook.objects.update(url="https://1.1.1.1/<script>alert(1)</script>")
    for path in (LIST, f"{LIST}{made.pk}/"):
        assert "<script>alert" not in alice.get(path).content.decode()
