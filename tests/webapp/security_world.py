"""Alice's private things, and everybody who may come for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.browser import factories
from webapp.accounts.models import ApiToken
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry
from webapp.searches.models import SearchRequest

TARGET = "cpu-openvino-fp32"
OWNER, STRANGER, ANONYMOUS, STAFF = "owner", "stranger", "anonymous", "staff"
ROLES = (OWNER, STRANGER, ANONYMOUS, STAFF)
SECRETS = ("Vorpal", "Bandersnatch", "Jabberwock")  # names of private things


@dataclass
class World:
    """``ids`` fills the parameters of addresses; ``people`` has nobody for anonymous."""

    people: dict[str, User | None]
    ids: dict[str, str]
    running: SearchRequest
    entry: Entry

    def client(self, role: str) -> Client:
        client = Client()
        person = self.people[role]
        if person is not None:
            client.force_login(person)
        return client


def build() -> World:
    alice, hatter = factories.user("alice"), factories.user("hatter")
    queen = factories.user("queen", staff=True, superuser=True)
    model, data = factories.detector(alice), factories.data_set(alice)
    cpu, _ = factories.pool()
    picture = default_storage.save("data-sets/alice/thumbnails/0.webp", ContentFile(b"RIFF"))
    facts = {"file": picture, "split": "train", "width": 8, "height": 8, "boxes": []}
    asked, again = (
        factories.request(alice, model, data, name="Bandersnatch", target_ids=[TARGET])
        for _ in range(2)
    )
    live = factories.request(alice, model, data, name="Jabberwock", target_ids=[TARGET])
    SearchRequest.objects.update(visibility="private")
    for request in (asked, again, live):
        request.refresh_from_db()
    search, entries = factories.finished_search(asked, TARGET, cpu, seed=1)
    other, _ = factories.finished_search(again, TARGET, cpu, seed=3)
    running = factories.running_search(live, TARGET, cpu)
    mine = {"owner": alice}
    Detector.objects.filter(**mine).update(visibility="private", name="Vorpal model")
    DataSet.objects.filter(**mine).update(
        visibility="private", name="Vorpal data", thumbnails=[{**facts, "all_boxes": 0}]
    )
    open_request = factories.request(
        hatter,
        factories.detector(hatter),
        factories.data_set(hatter),
        name="Dormouse",
        target_ids=[TARGET],
    )
    factories.finished_search(open_request, TARGET, cpu, seed=2)
    hook = factories.webhook(alice, running)
    token, _ = ApiToken.objects.issue(user=alice, name="laptop")
    kept = snapshots.take(
        Entry.objects.listed().order_by("pk"), title="All", query="target=all", is_ranking=False
    )
    return World(
        people={OWNER: alice, STRANGER: hatter, ANONYMOUS: None, STAFF: queen},
        ids={
            "model_id": model.pk,
            "data_set_id": data.pk,
            "request_id": live.pk,
            "search_id": running.pk,
            "finished": search.pk,
            "finished_request": asked.pk,
            "entry_id": entries[0].pk,
            "name": "assignment.json",
            "snapshot_id": kept.pk,
            "kind": "csv",
            "webhook_id": hook.pk,
            "token_id": str(token.pk),
            "slug": cpu.slug,
            "number": "0",
            "uidb64": "MQ",
            "token": "set-password",
            "prefix": token.prefix,
            "target": TARGET,
            "action": "cancel",
            "other_id": other.pk,
            "days": "30",
            "table": "stages",
        },
        running=live,
        entry=entries[0],
    )


def routes() -> Iterator[str]:
    """Every address of the site as its resolver spells it."""
    yield from dict.fromkeys(_below(get_resolver(), ""))


def _below(part: URLResolver, before: str) -> Iterator[str]:
    for pattern in part.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from _below(pattern, route)


def filled(route: str, ids: dict[str, Any]) -> str:
    """The address of ``route`` for the things of ``ids``."""
    if "<str:other_id>" in route or route.endswith(("/result", "/figures/")):  # of finished ones
        ids = {**ids, "search_id": ids["finished"], "request_id": ids["finished_request"]}
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(ids[found[1]]), route)
