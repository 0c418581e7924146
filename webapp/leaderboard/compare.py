"""Two to four entries side by side, and one target's mix as the other targets see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.targets import get as get_target
from webapp.leaderboard.evidence import Evidence
from webapp.leaderboard.models import Entry
from webapp.leaderboard.ranking import GROUP
from webapp.leaderboard.rows import Row, arm_title, bound
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
        return Row(self.entry)

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
class Seen:
    """A mix's ratio on some target: ``low`` and ``high`` are None where modelled."""

    ratio: float
    low: float | None
    high: float | None
    kind: str
    own: bool  # whether the mix was searched for this very target
    one_table: float | None  # Ethos-U: the ratio with SiLU as one table in both models


@dataclass(frozen=True)
class Matrix:
    """Rows are mixes, by the target for which they were searched; columns the request's targets."""

    request_id: str
    request_name: str
    targets: list[str]
    rows: list[tuple[str, str, list[Seen | None]]]  # (target, arm, cells)

    @property
    def titles(self) -> list[str]:
        return [target_title(target) for target in self.targets]

    @property
    def named_rows(self) -> list[tuple[str, str, list[Seen | None]]]:
        return [(target_title(target), arm_title(arm), cells) for target, arm, cells in self.rows]

    @property
    def holds_anything(self) -> bool:
        """Whether any mix was measured on a target that is not its own."""
        return any(cell is not None and not cell.own for _, _, cells in self.rows for cell in cells)

    @property
    def missing(self) -> list[str]:
        """What would have to be measured, one line a pair."""
        return [
            f"the mix of {target_title(target)} on {target_title(other)}"
            for target, _, cells in self.rows
            for other, cell in zip(self.targets, cells, strict=True)
            if cell is None
        ]


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
    def matrices(self) -> list[Matrix]:
        """One a request that has searches on several targets."""
        requests = {entry.search.request_id: entry.name for entry in self.entries}
        finished = (
            Search.objects.filter(request__in=requests, result__isnull=False)
            .only("request", "target", "result")
            .order_by("pk")
        )
        by_request: dict[str, list[Search]] = {}
        for search in finished:
            by_request.setdefault(search.request_id, []).append(search)
        return [
            matrix_of(key, requests[key], searches)
            for key, searches in by_request.items()
            if len(searches) > 1
        ]


def matrix_of(request_id: str, name: str, searches: Sequence[Search]) -> Matrix:
    """What the searches of one request know of each other's best mixes."""
    rows = []
    for search in searches:
        mix = _best_mix(search)
        if mix is None:
            continue
        digest = _hash(mix)
        cells = [_seen(other, digest, own=other.pk == search.pk) for other in searches]
        rows.append((search.target, str(mix["name"]), cells))
    return Matrix(request_id, name, [search.target for search in searches], rows)


def target_title(target: str) -> str:
    """The target's title; its id where this version of the site knows it no more."""
    try:
        return get_target(target).title
    except BadRequest:
        return target


def _best_mix(search: Search) -> dict[str, Any] | None:
    """The arm that the verdict names if it is a mix, else the fastest mix; None without one."""
    assert search.result is not None
    mixes = [
        arm
        for arm in search.result["arms"]
        if arm["name"].partition(":")[0] == "mix" and arm["latency_ratio"] is not None
    ]
    chosen = search.result["verdict"]["chosen"]
    named: list[dict[str, Any]] = [arm for arm in mixes if arm["name"] == chosen]
    return named[0] if named else min(mixes, key=lambda arm: arm["latency_ratio"], default=None)


def _seen(search: Search, digest: str, *, own: bool) -> Seen | None:
    """The ratio of an assignment on the target of ``search``: as an arm, else as a candidate."""
    assert search.result is not None
    kind = str(search.result["kind"])
    for arm in search.result["arms"]:
        if arm["latency_ratio"] is not None and _hash(arm) == digest:
            low, high = arm["ratio_ci"] or (None, None)
            one_table = arm["details"].get("ratio_to_silu_table_baseline")
            return Seen(arm["latency_ratio"], low, high, kind, own, one_table)
    for candidate in search.result["candidates"]:
        if candidate["measured_ratio"] is not None and _hash(candidate) == digest:
            low, high = candidate["interval"] or (None, None)
            if kind == "modelled":
                low = high = None
            one_table = candidate.get("measured_ratio_one_table")
            return Seen(candidate["measured_ratio"], low, high, kind, own, one_table)
    return None


def _hash(document: dict[str, Any]) -> str:
    return Assignment.from_pairs(document["assignment"]["choices"]).hash


def _differing(first: dict[str, str], other: dict[str, str]) -> int | None:
    """Sites at which the two differ; None where they are of different networks."""
    if set(first) != set(other):
        return None
    return sum(first[site] != other[site] for site in first)


def _with_air(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = 0.06 * ((high - low) or 1.0)
    return low - air, high + air
