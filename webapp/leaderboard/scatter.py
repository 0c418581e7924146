"""The latency-accuracy scatter of a ranking: points with error bars, and the Pareto line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.urls import reverse

from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import bound
from webapp.ui.svg.mix import colour

MOST_POINTS = 200
FIELDS = (
    "pk",
    "name",
    "arm",
    "latency_ms",
    "ratio",
    "ratio_low",
    "ratio_high",
    "map50_95",
    "map_low",
    "map_high",
    "mix",
)


class Point(NamedTuple):
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


def points(entries: QuerySet[Entry]) -> list[Point]:
    """A point for each of the first MOST_POINTS entries: latency in ms against mAP50-95, both with
    their 95 % intervals; the fastest first."""
    rows = sorted(entries.values(*FIELDS)[:MOST_POINTS], key=lambda row: (row["ratio"], row["pk"]))
    best = pareto([(row["latency_ms"], row["map50_95"]) for row in rows])
    before, after = reverse("leaderboard:entry", args=["ENTRY"]).split("ENTRY")  # one look-up
    return [
        _point(row, url=f"{before}{row['pk']}{after}", pareto=index in best)
        for index, row in enumerate(rows)
    ]


def columns(points: Sequence[Point]) -> dict[str, list[Any]]:
    """The same by column: a name said once instead of with every point halves a page's bytes."""
    return {name: [getattr(point, name) for point in points] for name in Point._fields}


def _point(row: dict[str, Any], *, url: str, pareto: bool) -> Point:
    # The interval of the ratio, on the latency's scale: the baseline is a fixed divisor.
    scale = row["latency_ms"] / row["ratio"]
    return Point(
        x=_short(row["latency_ms"]),
        xLow=_short(bound(row["ratio_low"], row["ratio"]) * scale),
        xHigh=_short(bound(row["ratio_high"], row["ratio"]) * scale),
        y=_short(row["map50_95"]),
        yLow=_short(bound(row["map_low"], row["map50_95"])),
        yHigh=_short(bound(row["map_high"], row["map50_95"])),
        label=f"{row['name']}, {row['arm']}",
        url=url,
        colour=_colour(row["mix"]),
        pareto=pareto,
    )


def _short(value: float) -> float:
    """To five digits: finer than a screen, and half the bytes of the page's points."""
    return float(f"{value:.5g}")


@lru_cache(maxsize=2000)
def _colour(mix: str) -> str:
    """That of the activation that most sites run."""
    most_used = Counter(mix.split()).most_common(1)
    return colour(most_used[0][0] if most_used else "")
