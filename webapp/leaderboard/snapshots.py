"""Snapshots: a list kept as it is, exported by a worker."""

from __future__ import annotations

import hashlib
import json
from typing import IO

from django.db import transaction
from django.db.models import QuerySet

from webapp.errors import Refused
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import ALIVE, Kind, State
from webapp.leaderboard.models import Entry, Snapshot, SnapshotRow

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
MOST_ROWS = 10_000
_LIMIT_S = 300


def take(rows: QuerySet[Entry], *, title: str, query: str, is_ranking: bool) -> Snapshot:
    """The snapshot of ``rows``, in their order; the known one where nothing has changed since.

    A worker of the queue ``validate`` writes its files: exports are short, and a queue of their own
    would be one more process on every host.

    Raises:
        Refused: no row, or more than MOST_ROWS.
    """
    found = list(rows.values_list("pk", "rank")[: MOST_ROWS + 1])
    if not found:
        raise Refused("the list is empty: there is nothing to keep")
    if len(found) > MOST_ROWS:
        raise Refused(f"the list has more than {MOST_ROWS:,} entries; narrow it first")
    ranked = [(key, rank if is_ranking else None) for key, rank in found]
    content = hashlib.sha256(json.dumps(ranked).encode()).hexdigest()
    with transaction.atomic():
        snapshot, made = Snapshot.objects.get_or_create(
            content=content, defaults={"title": title, "query": query, "is_ranking": is_ranking}
        )
        if made:
            SnapshotRow.objects.bulk_create(
                [
                    SnapshotRow(snapshot=snapshot, entry_id=str(key), position=index, rank=rank)
                    for index, (key, rank) in enumerate(ranked, start=1)
                ],
                batch_size=1000,
            )
        if made or _is_lost(snapshot):
            export_again(snapshot)
    return snapshot


def export_again(snapshot: Snapshot) -> None:
    """Have the files written (once more): after a failure, or when rows were deleted."""
    snapshot.job = jobs.create(
        kind=Kind.EXPORT, queue=queues.VALIDATE, payload={"id": snapshot.pk}, limit_s=_LIMIT_S
    )
    snapshot.save(update_fields=["job"])


def sizes(snapshot: Snapshot) -> list[tuple[str, int]]:
    """(kind, bytes) of the export files, once they are written."""
    if _is_being_written(snapshot):
        return []
    names = {f"entries.{kind}": kind for kind in FORMATS}
    return [(names[name], size) for name, size in snapshot.folder.sizes(names).items()]


def open_file(snapshot: Snapshot, kind: str) -> IO[bytes] | None:
    """The export file of that kind, once it is written."""
    if kind not in FORMATS or _is_being_written(snapshot):
        return None
    try:
        return snapshot.folder.open(f"entries.{kind}")
    except FileNotFoundError:
        return None


def _is_being_written(snapshot: Snapshot) -> bool:
    return snapshot.job is not None and snapshot.job.state in ALIVE


def _is_lost(snapshot: Snapshot) -> bool:
    """Whether nobody is at work on files that are not there."""
    waiting = snapshot.job is not None and snapshot.job.state in {*ALIVE, State.FINISHED}
    return not waiting
