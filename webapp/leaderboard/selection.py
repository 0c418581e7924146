"""What the leaderboard page was asked for, and the rows that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from devices.errors import BadRequest
from devices.targets import TARGETS, Target
from devices.targets import get as get_target
from webapp.catalog.models import DataSet
from webapp.leaderboard.models import Entry

ALL = "all"

# Order in the page's address -> its words and the columns that make it.
SORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "rank": ("Rank", ("rank", "ratio", "-map50_95", "pk")),
    "map": ("mAP50-95, highest first", ("-map50_95", "pk")),
    "loss": ("Loss, lowest first", ("loss", "pk")),
    "latency": ("Latency, lowest first", ("latency_ms", "pk")),
    "ratio": ("Latency ratio, lowest first", ("ratio", "pk")),
    "memory": ("Memory ratio, lowest first", ("memory_ratio", "memory", "pk")),
    "age": ("Newest first", ("-created", "pk")),
}


@dataclass(frozen=True)
class Ranking:
    """One ranking: only entries that agree in all of this are compared."""

    target: Target
    device_model: str
    data_set_version: str
    imgsz: int
    entries: int
    data_set_name: str

    @property
    def key(self) -> str:
        """What names it in an address, beside the target."""
        text = f"{self.device_model}|{self.data_set_version}|{self.imgsz}"
        return sha256(text.encode()).hexdigest()[:10]

    def rows(self) -> Q:
        return Q(
            target=self.target.id,
            device_model=self.device_model,
            data_set_version=self.data_set_version,
            imgsz=self.imgsz,
        )


def rankings() -> list[Ranking]:
    """Every ranking that has a listed entry: in target order, the fullest first."""
    groups = (
        Entry.objects.listed()
        .order_by()
        .values("target", "device_model", "data_set_version", "imgsz")
        .annotate(entries=Count("pk"), data_set_pk=Max("data_set"))
        .order_by("-entries", "device_model", "imgsz")
    )
    rows = list(groups)
    names = dict(
        DataSet.objects.filter(pk__in={row["data_set_pk"] for row in rows}).values_list(
            "pk", "name"
        )
    )
    order = {target.id: index for index, target in enumerate(TARGETS)}
    found = []
    for row in rows:
        try:
            target = get_target(row["target"])
        except BadRequest:
            continue  # a target that this version of the site has dropped: the wide list shows it
        found.append(
            Ranking(
                target=target,
                device_model=row["device_model"],
                data_set_version=row["data_set_version"],
                imgsz=row["imgsz"],
                entries=row["entries"],
                data_set_name=names.get(row["data_set_pk"], ""),
            )
        )
    return sorted(found, key=lambda ranking: order[ranking.target.id])


@dataclass(frozen=True)
class Selection:
    """The page's parameters, read from its address; unknown values mean "not given"."""

    rankings: list[Ranking]
    parameters: Mapping[str, Any]

    @cached_property
    def wide(self) -> bool:
        """Whether the list spans several rankings, so that no rank can be shown."""
        return self.parameters.get("target") == ALL or not self.rankings

    @cached_property
    def ranking(self) -> Ranking | None:
        """The ranking asked for, else the first of its target, else the first of all."""
        if self.wide:
            return None
        asked = self.parameters.get("target")
        candidates = [r for r in self.rankings if r.target.id == asked] or self.rankings
        named = [r for r in candidates if r.key == self.parameters.get("ranking")]
        return (named or candidates)[0]

    @property
    def siblings(self) -> list[Ranking]:
        """The rankings of the same target."""
        here = self.ranking
        return [r for r in self.rankings if here is not None and r.target == here.target]

    @property
    def targets(self) -> list[tuple[Target, int]]:
        """Targets that have entries, with how many."""
        totals: dict[str, tuple[Target, int]] = {}
        for ranking in self.rankings:
            _, n = totals.get(ranking.target.id, (ranking.target, 0))
            totals[ranking.target.id] = (ranking.target, n + ranking.entries)
        return list(totals.values())

    @property
    def text(self) -> str:
        return str(self.parameters.get("q", "")).strip()

    @property
    def family(self) -> str:
        return str(self.parameters.get("family", "")).strip()

    @property
    def sort(self) -> str:
        default = "age" if self.wide else "rank"
        asked = str(self.parameters.get("sort", default))
        return asked if asked in SORTS and not (self.wide and asked == "rank") else default

    @property
    def orders(self) -> list[tuple[str, str]]:
        """(key, words) of the orders that this list offers."""
        return [(key, words) for key, (words, _) in SORTS.items() if key != "rank" or not self.wide]

    def entries(self) -> QuerySet[Entry]:
        """The listed entries that match, in order."""
        rows = Entry.objects.listed().filter(self._group())
        if self.family:
            rows = rows.filter(family=self.family)
        if self.text:
            words = Q()
            for word in self.text.split():
                words &= (
                    Q(name__icontains=word)
                    | Q(family__icontains=word)
                    | Q(owner__username__icontains=word)
                    | Q(target__icontains=word)
                    | Q(arm__icontains=word)
                )
            rows = rows.filter(words)
        return rows.order_by(*SORTS[self.sort][1])

    def families(self) -> list[str]:
        """The families that the selected ranking holds."""
        rows = Entry.objects.listed().filter(self._group())
        return list(rows.order_by("family").values_list("family", flat=True).distinct())

    def _group(self) -> Q:
        return self.ranking.rows() if self.ranking else Q()
