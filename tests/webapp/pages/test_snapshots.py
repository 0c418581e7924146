"""Snapshots: a list kept at an address that stays, with files that a real worker writes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.small_disk import small_disk
from tests.webapp.conftest import Worker
from tests.webapp.pages.conftest import TARGET, World
from webapp.errors import STORAGE_FULL
from webapp.jobs.models import Job
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry, Snapshot

Browse = Callable[[User | None], Client]


def keep(client: Client, query: str = f"target={TARGET}") -> Snapshot:
    answer = client.post("/snapshots/", {"query": query})
    assert answer.status_code == 302, answer.content
    return Snapshot.objects.get(pk=answer["Location"].split("/")[-2])


def read(client: Client, kept: Snapshot, kind: str) -> bytes:
    answer = client.get(f"/snapshots/{kept.pk}/entries.{kind}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_a_worker_writes_three_files_that_agree(world: World, browse: Browse, work: Worker) -> None:
    for seed in (1, 2, 3):
        world.entry(seed)
    client = browse(None)
    kept = keep(client)
    assert "A worker is writing" in client.get(f"/snapshots/{kept.pk}/").content.decode()
    work("validate")
    page = client.get(f"/snapshots/{kept.pk}/").content.decode()
    assert "entries.parquet" in page
    assert "A worker is writing" not in page
    frames = {
        "csv": pd.read_csv(io.BytesIO(read(client, kept, "csv"))),
        "parquet": pd.read_parquet(io.BytesIO(read(client, kept, "parquet"))),
        "json": pd.DataFrame(json.loads(read(client, kept, "json"))),
    }
    expected = list(Entry.objects.order_by("rank", "ratio").values_list("pk", flat=True))
    for kind, frame in frames.items():
        assert list(frame["entry"]) == expected, kind
        assert list(frame["rank"]) == sorted(frame["rank"]), kind
        row = Entry.objects.get(pk=frame["entry"][0])
        assert frame["latency_ms"][0] == pytest.approx(row.latency_ms), kind
        assert frame["published_by"][0] == "alice", kind


@pytest.mark.mount
@pytest.mark.django_db(transaction=True)
def test_without_room_it_fails_for_that_reason_and_can_be_made_again(
    world: World, browse: Browse, work: Worker, site: Path
) -> None:
    """Its files need three pages of memory, and one is there."""
    world.entry(1)
    client = browse(None)
    with small_disk(site / "work" / "snapshots", size="4k"):
        kept = keep(client)
        work("validate")
        job = Job.objects.get(kind="export")
        assert (job.state, job.reason, job.fault) == ("failed", STORAGE_FULL, "ours")
        assert list((site / "work" / "snapshots").iterdir()) == []
    assert keep(client).pk == kept.pk
    work("validate")
    assert all(read(client, kept, kind) for kind in ("csv", "parquet", "json"))


@pytest.mark.django_db(transaction=True)
def test_the_same_list_is_one_snapshot_and_keeps_its_ranks(world: World, browse: Browse) -> None:
    first = world.entry(1)
    client = browse(None)
    kept = keep(client)
    assert keep(client, f"target={TARGET}&sort=rank").pk == kept.pk
    assert Job.objects.filter(kind="export").count() == 1
    rank = kept.rows.get(entry=first).rank
    world.entry(2)
    later = keep(client)
    assert later.pk != kept.pk
    assert (kept.rows.count(), later.rows.count()) == (1, 2)
    services.withdraw(first, by=first.owner, reason="asleep")
    assert kept.rows.get(entry=first).rank == rank
    assert client.get(f"/snapshots/{kept.pk}/").status_code == 200


def test_an_empty_list_makes_none(world: World, browse: Browse) -> None:
    client = browse(None)
    answer = client.post("/snapshots/", {"query": "q=jabberwock"}, follow=True)
    assert "the list is empty" in answer.content.decode()
    assert not Snapshot.objects.exists()


def test_other_files_are_not_there(world: World, browse: Browse) -> None:
    world.entry(1)
    client = browse(None)
    kept = keep(client)
    assert client.get(f"/snapshots/{kept.pk}/entries.csv").status_code == 404  # not yet
    assert client.get(f"/snapshots/{kept.pk}/entries.exe").status_code == 404
