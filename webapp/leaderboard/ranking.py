"""Ranks: only entries of one (target, device model, data-set version, image size) are compared."""

from __future__ import annotations

from devices import statistics
from webapp.leaderboard.models import Entry

GROUP = ("target", "device_model", "data_set_version", "imgsz")


def group_of(entry: Entry) -> tuple[str | int, ...]:
    """The values of GROUP: entries with equal ones are ranked together."""
    return tuple(getattr(entry, name) for name in GROUP)


def rank_group(entry: Entry) -> None:
    """Store the ranks of every standing public entry of the group of ``entry``."""
    group = dict(zip(GROUP, group_of(entry), strict=True))
    rows = list(Entry.objects.listed().filter(**group).order_by("created"))
    ranks = statistics.ranks(
        [
            statistics.Ranked(
                latency=row.latency_ms,
                latency_low=row.latency_ms * (row.ratio_low or row.ratio) / row.ratio,
                latency_high=row.latency_ms * (row.ratio_high or row.ratio) / row.ratio,
                score=row.map50_95,
                score_low=row.map50_95 if row.map_low is None else row.map_low,
                score_high=row.map50_95 if row.map_high is None else row.map_high,
                modelled=row.kind == "modelled",
            )
            for row in rows
        ]
    )
    for row, rank in zip(rows, ranks, strict=True):
        if row.rank != rank:
            Entry.objects.filter(pk=row.pk).update(rank=rank)
