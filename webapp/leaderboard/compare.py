"""Two to four entries side by side, and one target's mix as the other targets see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.safestring import SafeString

from webapp.leaderboard.evidence import Evidence
from webapp.leaderboard.models import Entry
from webapp.leaderboard.ranking import GROUP
from webapp.leaderboard.rows import Row, bound
from webapp.searches import cross
from webapp.searches.models import Search
from webapp.ui import svg

FEWEST, MOST = 2, 4
_GROUP_WORDS = {
    "target": "target",
    "device_model": "device",
    "data_set_version": "data set",
    "imgsz": "image size",
}


def ids_of(values: Sequence[str]) -> list[str]:
    """The ids in the address: ``entries=a,b`` and ``entries=a&entries=b`` alike, each once."""
    split = (part.strip() for value in values for part in value.split(","))
    return list(dict.fromkeys(part for part in split if part))


@dataclass(frozen=True)
class Column:
    """One entry of the comparison; scales are shared by all columns."""

    entry: Entry
    ratio_scale: tuple[float, float]
    map_scale: tuple[float, float]
    differs: int | None  # sites that run something else than in the first column

    @cached_property
    def row(self) -> Row:
        return Row(self.entry, self.entry.owner.username)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.entry)

    @property
    def title(self) -> str:
        return f"{self.entry.name}, {self.row.arm}"

    @property
    def ratio_drawing(self) -> SafeString:
        entry = self.entry
        return svg.interval(
            entry.ratio,
            low=bound(entry.ratio_low, entry.ratio),
            high=bound(entry.ratio_high, entry.ratio),
            scale=self.ratio_scale,
            reference=1.0,
            label="Latency ratio",
        )

    @property
    def map_drawing(self) -> SafeString:
        entry = self.entry
        return svg.interval(
            entry.map50_95,
            low=bound(entry.map_low, entry.map50_95),
            high=bound(entry.map_high, entry.map50_95),
            scale=self.map_scale,
            reference=None,
            label="mAP50-95",
        )


@dataclass(frozen=True)
class Comparison:
    """``entries`` in the order of the address."""

    entries: list[Entry]

    @cached_property
    def columns(self) -> list[Column]:
        ratios = [1.0]
        maps: list[float] = []
        for entry in self.entries:
            ratios += [bound(entry.ratio_low, entry.ratio), bound(entry.ratio_high, entry.ratio)]
            maps += [bound(entry.map_low, entry.map50_95), bound(entry.map_high, entry.map50_95)]
        first = self.entries[0].assignment if self.entries else {}
        return [
            Column(
                entry=entry,
                ratio_scale=_with_air(ratios),
                map_scale=_with_air(maps),
                differs=_differing(first, entry.assignment),
            )
            for entry in self.entries
        ]

    @property
    def unlike(self) -> list[str]:
        """In what the entries differ that makes their figures incomparable; [] where nothing."""
        return [
            _GROUP_WORDS[name]
            for name in GROUP
            if len({getattr(entry, name) for entry in self.entries}) > 1
        ]

    @cached_property
    def matrices(self) -> list[cross.Matrix]:
        """One a request that has searches on several targets."""
        finished = (
            Search.objects.filter(
                request__in={entry.search.request_id for entry in self.entries},
                result__isnull=False,
            )
            .select_related("request")
            .only("request__name", "target", "result")
            .order_by("pk")
        )
        return cross.matrices(finished)


def _differing(first: dict[str, str], other: dict[str, str]) -> int | None:
    """Sites at which the two differ; None where they are of different networks."""
    if set(first) != set(other):
        return None
    return sum(first[site] != other[site] for site in first)


def _with_air(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = 0.06 * ((high - low) or 1.0)
    return low - air, high + air
