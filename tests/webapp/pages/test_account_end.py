"""Forgotten passwords, and deleting an account with everything in it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from tests.browser import factories
from tests.webapp.conftest import API, api_client
from tests.webapp.pages.conftest import TARGET, World
from webapp.accounts.services import NOBODY
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry
from webapp.searches.models import Search, SearchRequest
from webapp.webhooks.models import Delivery, Webhook

Browse = Callable[[User | None], Client]


def test_a_forgotten_password_is_replaced_by_mail_once(world: World, browse: Browse) -> None:
    User.objects.filter(pk=world.alice.pk).update(email="alice@wonderland.example")
    client = browse(None)
    client.post("/accounts/forgotten/", {"email": "nobody@wonderland.example"})
    assert mail.outbox == []
    client.post("/accounts/forgotten/", {"email": "alice@wonderland.example"})
    (sent,) = mail.outbox
    found = re.search(r"http://testserver(/accounts/forgotten/\S+)", str(sent.body))
    assert found is not None
    page = client.get(found.group(1), follow=True)
    path = page.redirect_chain[-1][0]
    new = {"new_password1": "six-impossible-things", "new_password2": "six-impossible-things"}
    assert client.post(path, new).status_code == 302
    assert Client().login(username="alice", password="six-impossible-things")
    assert "works no more" in Client().get(found.group(1)).content.decode()


def test_the_wrong_password_deletes_nothing(world: World, browse: Browse) -> None:
    client = browse(world.alice)
    answer = client.post("/accounts/delete/", {"password": "guess"})
    assert answer.status_code == 422
    assert "not your password" in answer.content.decode()
    assert User.objects.filter(pk=world.alice.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_everything_goes_with_the_account(world: World, browse: Browse) -> None:
    mine = world.entry(1)
    folder = mine.search.path
    assert folder.is_dir()
    search = world.running().searches.get()
    running = search.job
    factories.webhook(world.alice, search)
    world.model.file.save("cheshire.pt", ContentFile(b"weights"))
    picture = default_storage.save("data-sets/alice/thumbnails/0.webp", ContentFile(b"RIFF"))
    DataSet.objects.filter(pk=world.data.pk).update(thumbnails=[{"file": picture}])
    stored = str(world.model.file.name)
    theirs = _entry_of(world, world.hatter)
    kept = snapshots.take(
        Entry.objects.listed().order_by("pk"), title="x", query="", is_ranking=True
    )
    api_client(world.alice)  # a token

    client = browse(world.alice)
    answer = client.post("/accounts/delete/", {"password": factories.PASSWORD}, follow=True)
    assert "everything in it were deleted" in answer.content.decode()
    assert not User.objects.filter(username="alice").exists()
    assert not Entry.objects.filter(pk=mine.pk).exists()
    assert not SearchRequest.objects.exclude(owner=world.hatter).exists()
    assert not folder.exists()
    assert not default_storage.exists(stored)
    assert not default_storage.exists(picture)
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    assert running is not None
    assert not type(running).objects.filter(pk=running.pk).exists()
    assert list(kept.rows.values_list("entry", flat=True)) == [theirs.pk]
    theirs.refresh_from_db()
    assert theirs.rank == 1


@pytest.mark.django_db(transaction=True)
def test_uploads_on_which_others_rest_stay_without_the_name(world: World, browse: Browse) -> None:
    asked = factories.request(
        world.hatter, world.model, world.data, name="Hat", target_ids=[TARGET]
    )
    factories.finished_search(asked, TARGET, world.device, seed=9)
    client = browse(world.alice)
    page = client.get("/accounts/delete/").content.decode()
    assert "Cheshire cat finder, Wonderland" in page
    client.post("/accounts/delete/", {"password": factories.PASSWORD})
    owners = {Detector.objects.get().owner.username, DataSet.objects.get().owner.username}
    assert owners == {NOBODY}
    assert Search.objects.get().request_id == asked.pk
    assert not User.objects.get(username=NOBODY).has_usable_password()


def test_the_api_deletes_an_account_with_its_password(world: World) -> None:
    client = api_client(world.alice)
    path, kind = f"{API}/users/me", "application/json"
    assert client.delete(path, {"password": "guess"}, kind).status_code == 403
    assert client.delete(path, {"password": factories.PASSWORD}, kind).status_code == 204
    assert not User.objects.filter(username="alice").exists()


def _entry_of(world: World, owner: User) -> Entry:
    model = factories.detector(owner, name="Hatter's own")
    data = factories.data_set(owner, name="Wonderland")
    asked = factories.request(owner, model, data, name="Hat", target_ids=[TARGET])
    _, entries = factories.finished_search(asked, TARGET, world.device, seed=9)
    return entries[0]
