"""A mail address is confirmed by its owner, by a link that only the mail holds."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.browser import factories

pytestmark = pytest.mark.django_db
ADDRESS = "alice@wonderland.example"


@pytest.fixture
def alice() -> Client:
    client = Client()
    client.force_login(factories.user("alice"))
    return client


def link() -> str:
    """The path of the link in the latest mail."""
    found = re.search(r"http://testserver(/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found.group(1)


def nags(client: Client) -> bool:
    return "is not confirmed" in client.get("/accounts/").content.decode()


def test_a_new_address_is_confirmed_by_the_button_behind_its_link(alice: Client) -> None:
    assert not nags(alice)  # there is nothing to confirm
    alice.post("/accounts/email/", {"email": ADDRESS})
    assert mail.outbox[-1].to == [ADDRESS]
    assert nags(alice)
    path = link()
    page = Client().get(path)  # whoever reads the mail, signed in or not
    assert ADDRESS in page.content.decode()
    assert nags(alice)  # to open it is not enough
    Client().post(path)
    assert not nags(alice)


def test_a_link_confirms_no_other_address(alice: Client) -> None:
    alice.post("/accounts/email/", {"email": "alcie@wonderland.example"})
    old = link()
    alice.post("/accounts/email/", {"email": ADDRESS})
    assert Client().post(old).status_code == 410
    assert nags(alice)
    assert Client().get("/accounts/email/confirm/forged/").status_code == 410


def test_a_confirmed_address_is_confirmed_anew_once_it_changes(alice: Client) -> None:
    alice.post("/accounts/email/", {"email": ADDRESS})
    Client().post(link())
    sent = len(mail.outbox)
    alice.post("/accounts/email/", {"email": ADDRESS})
    assert len(mail.outbox) == sent
    alice.post("/accounts/email/", {"email": "white-rabbit@wonderland.example"})
    assert nags(alice)


def test_who_signs_up_with_an_address_gets_the_link(client: Client) -> None:
    secret = "six-impossible-things"
    asked = {"username": "carol", "email": ADDRESS, "password1": secret, "password2": secret}
    client.post("/accounts/sign-up/", asked)
    assert nags(client)
    client.post("/accounts/email/send/")
    assert len(mail.outbox) == 2
    client.post(link())
    assert not nags(client)
    assert User.objects.get(username="carol").email == ADDRESS


def test_a_mail_server_that_is_away_breaks_nothing(alice: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = alice.post("/accounts/email/", {"email": ADDRESS}, follow=True)
    assert "could not be sent now" in answer.content.decode()
    assert User.objects.get(username="alice").email == ADDRESS
