"""What the leaderboard page was asked for, and the rows that answer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Q, QuerySet

from devices.targets import TARGETS, Target
from webapp import paging
from webapp.catalog.choices import Visibility
from webapp.leaderboard.models import Entry, Ranking, public_names
from webapp.leaderboard.ranking import MOST_MODELS
from webapp.leaderboard.words import shows
from webapp.paging import Count

ALL = "all"
PRECISIONS = tuple(dict.fromkeys(target.precision for target in TARGETS))
_PLACE = {target.id: index for index, target in enumerate(TARGETS)}

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

_read: tuple[int | None, list[Ranking]] = (None, [])


def current() -> tuple[int, list[Ranking]]:
    """The state of the leaderboard, and every ranking that has a listed entry: in target order, the
    fullest first.

    The state is a number that changes with every entry that is listed, or listed no longer; the
    rankings are read anew when it has. Callers must not change them.
    """
    global _read
    # Versions are drawn at random: no two states have the same sum. Every page asks, so that it is
    # asked without what an ORM does for each question.
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT SUM(version) FROM {Ranking._meta.db_table}")
        state = int(cursor.fetchone()[0] or 0)
    known, rows = _read
    if known != state:
        # Read after the state: they may be newer than it says, never older.
        found = Ranking.objects.filter(entries__gt=0).select_related("data_set")
        # A target that this version of the site has dropped is in the wide list only.
        rows = sorted((r for r in found if r.target in _PLACE), key=lambda r: _PLACE[r.target])
        _read = (state, rows)
    return state, rows


def rankings() -> list[Ranking]:
    """The rankings of :func:`current`."""
    return current()[1]


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
        candidates = [r for r in self.rankings if r.target == asked] or self.rankings
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
        totals = Counter[Target]()
        for ranking in self.rankings:
            totals[ranking.on] += ranking.entries
        return list(totals.items())

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
            given |= {"target": self.ranking.target, "ranking": self.ranking.key}
        return urlencode({name: value for name, value in given.items() if value})

    def offered(self) -> dict[str, str]:
        """The parameters of this list as the page itself writes them; empty ones left out."""
        given = {
            "target": ALL if self.ranking is None else self.ranking.target,
            "ranking": "" if self.ranking is None else self.ranking.key,
            "family": self.family,
            "precision": self.precision,
            "met": "1" if self.met else "",
            "sort": self.sort,
        }
        return {name: value for name, value in given.items() if value}

    @property
    def title(self) -> str:
        """The list in words, for a snapshot of it."""
        if self.ranking is None:
            words = ["All entries"]
        else:
            found = self.ranking
            words = [found.on.title, found.device_model, f"{found.imgsz} px"]
        words += [word for word in (self.family, self.precision, self.text) if word]
        return ", ".join([*words, *(["limits met"] if self.met else [])])[:200]

    @property
    def sort(self) -> str:
        default = "age" if self.wide else "rank"
        asked = str(self.parameters.get("sort", default))
        return asked if asked in SORTS and not (self.wide and asked == "rank") else default

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of the order."""
        return SORTS[self.sort][1]

    @property
    def orders(self) -> list[tuple[str, str]]:
        """(key, words) of the orders that this list offers."""
        return [(key, words) for key, (words, _) in SORTS.items() if key != "rank" or not self.wide]

    def entries(self) -> QuerySet[Entry]:
        """The listed entries that match, in order."""
        rows = Entry.objects.listed()
        if self.ranking is not None:
            rows = rows.filter(ranking=self.ranking.pk)
        if self.family:
            rows = rows.filter(family=self.family)
        if self.model:
            rows = rows.filter(detector=self.model, detector__visibility=Visibility.PUBLIC)
        if self.precision:
            rows = rows.filter(ranking__in=[r.pk for r in self._fitting()])
        if self.met:
            rows = rows.filter(met=True)
        if self.text:
            rows = rows.filter(self._words)
        return rows.order_by(*(paging.ordering(column) for column in self.order))

    def count(self) -> Count:
        """How many entries match; from the totals of the rankings where those say it."""
        if self.text or self.model:
            return paging.count(self.entries())
        return Count(sum(r.holds(self.family, met=self.met) for r in self._fitting()))

    def models(self) -> list[tuple[str, str]]:
        """(id, name) of the public models behind the selected ranking, the most used first."""
        if self.ranking is not None:
            return self.ranking.named_models
        totals = Counter[str]()
        for ranking in self.rankings:
            totals.update(dict(ranking.most_used))
        return public_names([key for key, _ in totals.most_common(MOST_MODELS)])

    @property
    def precisions(self) -> tuple[str, ...]:
        return PRECISIONS

    def families(self) -> list[str]:
        """The families that the selected ranking holds."""
        return sorted({family for ranking in self._chosen() for family in ranking.families})

    def _chosen(self) -> list[Ranking]:
        return self.rankings if self.ranking is None else [self.ranking]

    @cached_property
    def _words(self) -> Q:
        """That an entry shows every word of the text."""
        # A wide list also has the entries of targets that the site has dropped.
        places = list(Ranking.objects.all()) if self.ranking is None else [self.ranking]
        return reduce(and_, (shows(word, places=places) for word in self.text.split()))

    def _fitting(self) -> list[Ranking]:
        """The rankings whose entries are asked for, by their precision, too."""
        chosen = self._chosen()
        return [r for r in chosen if not self.precision or r.on.precision == self.precision]
