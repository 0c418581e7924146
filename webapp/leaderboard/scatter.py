"""The latency-accuracy scatter of a ranking: points with error bars, and the Pareto line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

from django.urls import reverse

from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import bound
from webapp.ui.svg.mix import colour, counts

MOST_POINTS = 200
FIELDS = (
    "name",
    "arm",
    "latency_ms",
    "ratio",
    "ratio_low",
    "ratio_high",
    "map50_95",
    "map_low",
    "map_high",
    "assignment",
)


class Point(TypedDict):
    x: float
    xLow: float
    xHigh: float
    y: float
    yLow: float
    yHigh: float
    label: str
    url: str
    colour: str
    pareto: bool


def pareto(rows: Sequence[tuple[float, float]]) -> set[int]:
    """Indices of the (latency, mAP) pairs that no other pair beats: the Pareto set."""
    best: set[int] = set()
    highest = float("-inf")
    for index in sorted(range(len(rows)), key=lambda i: (rows[i][0], -rows[i][1])):
        if rows[index][1] > highest:
            highest = rows[index][1]
            best.add(index)
    return best


def points(entries: Iterable[Entry]) -> list[Point]:
    """A point an entry: latency in ms against mAP50-95, both with their 95 % intervals."""
    rows = list(entries)
    best = pareto([(row.latency_ms, row.map50_95) for row in rows])
    return [_point(row, pareto=index in best) for index, row in enumerate(rows)]


def _point(entry: Entry, *, pareto: bool) -> Point:
    # The interval of the ratio, on the latency's scale: the baseline is a fixed divisor.
    scale = entry.latency_ms / entry.ratio
    most_used = counts(list(entry.assignment.values()))
    return {
        "x": entry.latency_ms,
        "xLow": bound(entry.ratio_low, entry.ratio) * scale,
        "xHigh": bound(entry.ratio_high, entry.ratio) * scale,
        "y": entry.map50_95,
        "yLow": bound(entry.map_low, entry.map50_95),
        "yHigh": bound(entry.map_high, entry.map50_95),
        "label": f"{entry.name}, {entry.arm}",
        "url": reverse("leaderboard:entry", args=[entry.pk]),
        "colour": colour(most_used[0][0]) if most_used else colour(""),
        "pareto": pareto,
    }
