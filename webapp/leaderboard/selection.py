"""What the leaderboard page was asked for, and the rows that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Max, Q, QuerySet

from devices.errors import BadRequest
from devices.targets import TARGETS, Target
from devices.targets import get as get_target
from webapp.catalog.choices import Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard.models import Entry

ALL = "all"
MOST_MODELS = 50  # that the filter offers
PRECISIONS = tuple(dict.fromkeys(target.precision for target in TARGETS))

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
    def model(self) -> str:
        """Id of the uploaded model that the entries must come from; "" for any."""
        return str(self.parameters.get("model", "")).strip()

    @property
    def precision(self) -> str:
        """Only a wide list spans several."""
        asked = str(self.parameters.get("precision", ""))
        return asked if self.wide and asked in PRECISIONS else ""

    @property
    def met(self) -> bool:
        """Whether only entries are wanted that kept their search's limits and reached its goal."""
        return self.parameters.get("met") == "1"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.family or self.model or self.precision or self.met)

    @property
    def query(self) -> str:
        """The address that names this very list, whatever ranking is the first one by then."""
        names = ("target", "ranking", "q", "family", "model", "precision", "met", "sort")
        given = {name: self.parameters.get(name) for name in names}
        if self.ranking is not None:
            given |= {"target": self.ranking.target.id, "ranking": self.ranking.key}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def title(self) -> str:
        """The list in words, for a snapshot of it."""
        if self.ranking is None:
            words = ["All entries"]
        else:
            found = self.ranking
            words = [found.target.title, found.device_model, f"{found.imgsz} px"]
        words += [word for word in (self.family, self.precision, self.text) if word]
        return ", ".join([*words, *(["limits met"] if self.met else [])])[:200]

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
        if self.model:
            rows = rows.filter(detector=self.model)
        if self.precision:
            ids = [target.id for target in TARGETS if target.precision == self.precision]
            rows = rows.filter(target__in=ids)
        if self.met:
            rows = rows.filter(_limits_met())
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

    def models(self) -> list[tuple[str, str]]:
        """(id, name) of the public models behind the selected ranking, the most used first."""
        rows = Entry.objects.listed().filter(self._group())
        # Counted before the join: the entries' index answers that alone.
        groups = rows.order_by().values("detector").annotate(n=Count("pk")).order_by("-n")
        used = [row["detector"] for row in groups[:MOST_MODELS]]
        public = Detector.objects.filter(pk__in=used, visibility=Visibility.PUBLIC)
        names = dict(public.values_list("pk", "name"))
        return [(key, names[key]) for key in used if key in names]

    @property
    def precisions(self) -> tuple[str, ...]:
        return PRECISIONS

    def families(self) -> list[str]:
        """The families that the selected ranking holds."""
        rows = Entry.objects.listed().filter(self._group())
        return list(rows.order_by("family").values_list("family", flat=True).distinct())

    def _group(self) -> Q:
        return self.ranking.rows() if self.ranking else Q()


def _limits_met() -> Q:
    """Entries that keep every limit of their search and reach its goal."""
    asked = "search__request__"
    kept = Q()
    for figure, limit in (
        ("loss", "max_map_loss"),
        ("memory_ratio", "max_memory_ratio"),
        ("ratio", "max_latency_ratio"),
    ):
        kept &= Q(**{f"{asked}{limit}__isnull": True}) | Q(**{f"{figure}__lte": F(asked + limit)})
    return kept
