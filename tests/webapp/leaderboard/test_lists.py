"""Long lists: pages by cursor, counts that end, kept first pages, files of any length."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.webapp.leaderboard.conftest import Crowd
from tests.webapp.pages.conftest import TARGET, World
from webapp import paging
from webapp.leaderboard import services, streams, views
from webapp.leaderboard.models import Entry
from webapp.leaderboard.selection import SORTS, Selection, rankings
from webapp.paging import Count

Browse = Callable[[User | None], Client]
_ENTRY = re.compile(r'name="entries" value="(\w{12})"')
_LINK = '<a class="button secondary compact" rel="{}" href="([^"]+)"'


def walk(client: Client, address: str, rel: str) -> Iterator[list[str]]:
    """The ids on each page, following the links ``rel``."""
    while True:
        text = client.get(f"/{address}").content.decode()
        yield _ENTRY.findall(text)
        link = re.search(_LINK.format(rel), text)
        if link is None:
            return
        last, address = address, link[1].replace("&amp;", "&")
        assert address != last


def last_page(client: Client, address: str) -> str:
    while link := re.search(_LINK.format("next"), client.get(f"/{address}").content.decode()):
        address = link[1].replace("&amp;", "&")
    return address


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_walked_forth_and_back(
    world: World,
    browse: Browse,
    crowd: Callable[[Entry], Crowd],
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
) -> None:
    """Ties and missing figures at page ends included."""
    maker = crowd(world.entry(1))
    maker.more(4)
    maker.more(3, loss=None, memory_ratio=None, memory=None)
    maker.more(3, loss=0.01, ratio=0.8, latency_ms=8.0, map50_95=0.63, memory_ratio=0.5)
    monkeypatch.setattr(views, "PAGE", 3)
    client = browse(None)
    address = f"?target={TARGET}&sort={sort}"
    forth = list(walk(client, address, "next"))
    assert [len(page) for page in forth] == [3, 3, 3, 2]
    seen = [key for page in forth for key in page]
    columns = [paging.ordering(column) for column in SORTS[sort][1]]
    assert seen == list(Entry.objects.order_by(*columns).values_list("pk", flat=True))
    back = list(walk(client, last_page(client, address), "prev"))
    assert back[::-1] == forth


def test_a_cursor_of_another_list_begins_with_the_first_page(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    answer = browse(None).get("/?target=all&after=bm9uc2Vuc2U")
    assert answer.status_code == 200
    assert entry.pk in answer.content.decode()


def test_long_counts_end_and_say_so(
    world: World, browse: Browse, crowd: Callable[[Entry], Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.entry(1)
    crowd(first).more(4, met=not first.met)
    monkeypatch.setattr(paging, "MOST_COUNTED", 2)
    monkeypatch.setattr(views, "PAGE", 2)
    client = browse(None)
    assert "2 of 5" in client.get(f"/?target={TARGET}").content.decode()  # known, not counted
    met = 1 if first.met else 4
    assert Selection(rankings(), {"target": TARGET, "met": "1"}).count() == Count(met)
    assert "2 of more than 2" in client.get(f"/?target={TARGET}&q=dormouse").content.decode()
    body = client.get("/api/v1/leaderboard?q=dormouse").json()
    assert (body["count"], body["count_is_exact"]) == (2, False)
    assert client.get("/api/v1/leaderboard").json()["count"] == 5


def test_a_kept_page_costs_one_query_and_outlives_no_change(world: World, browse: Browse) -> None:
    first = world.entry(1)
    client = browse(None)
    before = client.get("/").content
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/").content == before
    assert len(queries) == 1
    second = world.entry(2)
    assert second.pk in client.get("/").content.decode()
    services.withdraw(first, by=first.owner, reason="asleep")
    assert first.pk not in client.get("/").content.decode()
    assert b"2 entries" not in client.get("/").content


def test_a_kept_page_is_nobodys(world: World, browse: Browse) -> None:
    """What a signed-in reader sees is not kept, and a kept page is not what they see."""
    for number in (1, 2, 3):
        world.entry(number)
    assert "alice</a>" in browse(world.alice).get("/").content.decode()
    stranger = browse(None).get("/")
    assert "alice</a>" not in stranger.content.decode()
    assert "csrftoken" not in stranger.cookies
    assert "alice</a>" in browse(world.alice).get("/").content.decode()
    plain = Client().get("/", headers={"Accept-Encoding": "identity"})
    packed = Client().get("/", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 3
    assert "Accept-Encoding" in plain["Vary"]


def test_readers_share_the_list_and_nothing_else(world: World, browse: Browse) -> None:
    first = world.entry(1)
    browse(world.alice).get("/")
    hatter = browse(world.hatter)
    with CaptureQueriesContext(connection) as queries:
        text = hatter.get("/").content.decode()
    assert first.pk in text
    assert "hatter</a>" in text
    assert "alice</a>" not in text
    assert not [query for query in queries if "latency_ms" in query["sql"]]
    services.withdraw(first, by=first.owner, reason="asleep")
    assert first.pk not in hatter.get("/").content.decode()


def test_the_scatter_has_a_point_an_entry_of_the_list(world: World, browse: Browse) -> None:
    entries = [world.entry(number) for number in (1, 2, 3)]
    found = browse(None).get(f"/points.json?target={TARGET}").json()
    assert {len(column) for column in found.values()} == {3}
    assert {url.split("/")[2] for url in found["url"]} == {entry.pk for entry in entries}
    fastest = min(entries, key=lambda entry: entry.latency_ms)
    assert found["pareto"][found["url"].index(f"/entries/{fastest.pk}/")]
    # Different hardware has no common scale.
    assert browse(None).get("/points.json?target=all").json()["x"] == []


def test_made_up_addresses_fill_no_memory(
    world: World, browse: Browse, redis_server: str, settings: Settings
) -> None:
    from redis import Redis

    world.entry(1)
    client = browse(None)
    for junk in ("sort=x", "ranking=x", "precision=x", "met=x", "family=x", "z=1", "target=x"):
        assert client.get(f"/?{junk}").status_code == 200
        assert client.get(f"/points.json?{junk}").status_code == 200
    assert not Redis.from_url(redis_server).keys("actnas-*:*")
    client.get("/")
    assert len(Redis.from_url(redis_server).keys("actnas-page:*")) == 1


def test_without_redis_pages_are_made_anew(
    world: World, browse: Browse, settings: Settings
) -> None:
    entry = world.entry(1)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert entry.pk in browse(None).get("/").content.decode()


def test_a_list_of_any_length_is_streamed_in_its_order(
    world: World, browse: Browse, crowd: Callable[[Entry], Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(world.entry(1)).more(6)
    monkeypatch.setattr(streams, "_AT_ONCE", 3)
    answer = browse(None).get(f"/entries.csv?target={TARGET}&sort=map")
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(text.splitlines()))
    expected = list(Entry.objects.order_by("-map50_95", "pk"))
    assert [row["entry"] for row in rows] == [entry.pk for entry in expected]
    assert float(rows[0]["map50_95"]) == expected[0].map50_95
    assert rows[0]["rank"] == str(expected[0].rank)
    wide = browse(None).get("/entries.jsonl?target=all")
    lines = b"".join(wide.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["rank"] for line in lines] == [None] * 7
    assert browse(None).get("/entries.exe").status_code == 404
