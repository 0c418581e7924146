"""How many queries each page makes: pinned, and the same however many rows there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.browser import factories
from tests.webapp.pages.conftest import World
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry, Snapshot

Browse = Callable[[User | None], Client]

# Session and user (2) included; measured, then pinned: a higher number needs a reason.
COUNTS = {
    "/": 7,
    "/points.json": 3,
    "/?target=all": 6,
    "/entries/{entry}/": 3,
    "/compare/?entries={entry},{other}": 4,
    "/snapshots/{snapshot}/": 6,
    "/searches/": 6,
    "/searches/{running}/": 7,
    "/searches/{running}/live/": 7,
    "/searches/{finished}/": 8,
    "/searches/{finished}/{search}/figures/": 4,
    "/searches/{finished}/{search}/against/{another}/": 5,
    "/devices/": 7,
    "/devices/looking-glass-cpu/": 8,
    "/accounts/": 12,
    "/models/{model}/": 4,
    "/data-sets/{data_set}/": 3,
    "/accounts/delete/": 10,
    "/accounts/webhooks/": 3,
    "/accounts/webhooks/{webhook}/": 4,
    "/searches/new/": 8,
}


@pytest.mark.parametrize("path", COUNTS)
def test_the_number_of_queries_does_not_grow_with_the_rows(
    world: World, browse: Browse, path: str
) -> None:
    client = browse(world.alice)
    names = {
        "entry": world.entry(1).pk,
        "other": world.entry(2).pk,
        "snapshot": _snapshot().pk,
        "running": world.running().pk,
        "finished": (search := world.entry(1).search).request_id,
        "search": search.pk,
        "another": world.entry(2).search.pk,
        "model": world.model.pk,
        "data_set": world.data.pk,
        "webhook": factories.webhook(world.alice, world.running().searches.get()).pk,
    }
    few = _count(client, path.format(**names))
    for seed in range(3, 7):
        world.entry(seed)
        factories.webhook(world.alice, world.running().searches.get())
    assert (few, _count(client, path.format(**names))) == (COUNTS[path], COUNTS[path])


def _snapshot() -> Snapshot:
    return snapshots.take(Entry.objects.listed(), title="x", query="", is_ranking=False)


def _count(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)
