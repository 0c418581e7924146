"""What an export of entries holds: its columns, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import arm_title

# Column of the export -> attribute of the entry; units are in the column's name.
COLUMNS = {
    "entry": "id",
    "name": "name",
    "arm": "arm",
    "family": "family",
    "target": "target",
    "kind": "kind",
    "device_model": "device_model",
    "data_set_version": "data_set_version",
    "imgsz_px": "imgsz",
    "latency_ms": "latency_ms",
    "latency_ratio": "ratio",
    "latency_ratio_low": "ratio_low",
    "latency_ratio_high": "ratio_high",
    "noise_floor": "noise_floor",
    "noisy_lease": "noisy",
    "latency_ratio_to_uploaded": "ratio_to_uploaded",
    "map50": "map50",
    "map50_95": "map50_95",
    "map50_95_low": "map_low",
    "map50_95_high": "map_high",
    "loss_map50_95": "loss",
    "loss_map50_95_low": "loss_low",
    "loss_map50_95_high": "loss_high",
    "memory": "memory",
    "memory_unit": "memory_unit",
    "memory_ratio": "memory_ratio",
    "verdict": "verdict",
    "recommended": "is_choice",
    "assignment": "assignment_hash",
    "file_sha256": "file_sha256",
    "published": "created",
}
ALL = ["rank", *COLUMNS, "arm_title", "published_by"]


def line(entry: Entry, *, is_ranking: bool) -> dict[str, Any]:
    """The columns of ALL; no rank where the list is no ranking."""
    values = {column: getattr(entry, name) for column, name in COLUMNS.items()}
    return {
        "rank": entry.rank if is_ranking else None,
        **values,
        "published": entry.created.isoformat(),
        "arm_title": arm_title(entry.arm),
        "published_by": entry.owner.username,
    }


def fields() -> Iterator[str]:
    """The columns of the database behind them, for ``QuerySet.only``."""
    yield from ("rank", "owner__username", *COLUMNS.values())
