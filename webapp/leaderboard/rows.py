"""An entry as a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from django.db.models import F, QuerySet
from django.utils.safestring import SafeString

from devices.targets import TARGETS, Target
from webapp.leaderboard.models import Entry
from webapp.ui import svg
from webapp.ui.svg.mix import title as activation_title

_TARGETS = {target.id: target for target in TARGETS}

# What a list reads of an entry, for ``QuerySet.only``: the rest of its row are long documents, and
# making an object of every column takes longer than reading it.
FIELDS = (
    *("name", "arm", "family", "created"),
    *("target", "kind", "device_model", "imgsz", "rank", "mix"),
    *("map50_95", "map_low", "map_high", "loss", "loss_low", "loss_high"),
    *("latency_ms", "ratio", "ratio_low", "ratio_high", "ratio_one_table"),
    *("noise_floor", "noisy", "memory", "memory_unit", "memory_ratio", "verdict", "is_choice"),
)


def site_order(entry: Entry) -> list[str]:
    """The sites of the entry's model, input first.

    A JSON object may come back from the database in another order of keys (PostgreSQL's jsonb
    sorts them), so that the order is the one that the model's validation found.
    """
    known = {site["path"]: index for index, site in enumerate(entry.detector.sites)}
    return sorted(entry.assignment, key=lambda path: known.get(path, len(known)))


# Kind of a search's verdict -> what a list says beside an entry of that search.
REMARKS = {
    "uniform": "a uniform model is as good",
    "goal_missed": "misses its goal",
    "no_significant_gain": "no significant gain",
    "inconclusive": "inconclusive",
}


def arm_title(name: str) -> str:
    """``Uniform ReLU`` for ``uniform:relu``, ``Mix 2`` for ``mix:2``."""
    head, _, tail = name.partition(":")
    if head == "uniform":
        return f"Uniform {activation_title(tail)}"
    return f"{head.capitalize()} {tail}".strip()


def shown(entries: QuerySet[Entry]) -> QuerySet[Entry, Any]:
    """What a list shows of ``entries``, with ``by``: their owners' names, and no object of each,
    which would take as long as the entries do."""
    return entries.annotate(by=F("owner__username")).only(*FIELDS)


@lru_cache(maxsize=2000)
def _drawn(mix: str) -> tuple[SafeString, list[tuple[str, str, int]]]:
    """The bar and the counts of a mix; every entry of a uniform model has the same."""
    activations = mix.split()
    return svg.bar(activations), svg.counts(activations)


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard; ``by`` is the name of the entry's owner."""

    entry: Entry
    by: str

    @property
    def bar(self) -> SafeString:
        """The activation of every site, in site order, as a drawing."""
        return _drawn(self.entry.mix)[0]

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        """(name, title, sites) of each activation, most used first."""
        return _drawn(self.entry.mix)[1]

    @cached_property
    def arm(self) -> str:
        return arm_title(self.entry.arm)

    @cached_property
    def remark(self) -> str:
        """What the search's verdict holds against this entry; "" for a plain recommendation."""
        if self.entry.is_choice and self.entry.verdict == "uniform":
            return ""
        return REMARKS.get(self.entry.verdict, "")

    @cached_property
    def speed(self) -> str:
        """What stands in the way of calling it faster; "" if nothing does."""
        words = {"faster": "", "slower": "slower", "same": "not told from 1"}
        return words[self.entry.claim]

    @property
    def target(self) -> Target | None:
        return _TARGETS.get(self.entry.target)


def scale(rows: Sequence[Row]) -> tuple[float, float]:
    """The ends of the ratio column's axis: all intervals and 1, with a little air."""
    entries = [row.entry for row in rows]
    low = min([1.0, *(bound(entry.ratio_low, entry.ratio) for entry in entries)])
    high = max([1.0, *(bound(entry.ratio_high, entry.ratio) for entry in entries)])
    air = 0.06 * ((high - low) or 1.0)
    return low - air, high + air


def bound(end: float | None, value: float) -> float:
    """The bound of an interval; the value itself where a model computed it without one."""
    return value if end is None else end
