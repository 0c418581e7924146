"""Ranks and totals of rankings, kept as entries come and go.

A new entry moves what it beats down by one, and one that leaves moves it up again: two statements,
however many entries there are. The rule itself is that of :func:`devices.statistics.ranks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce, Greatest, Least

from devices.statistics import MODELLED_TIE
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard.models import Entry, EntryQuerySet, Ranking, new_version

GROUP = ("target", "device_model", "data_set_version", "imgsz")
MOST_MODELS = 50  # that a ranking knows by number, and the filter offers


def home(values: Mapping[str, Any]) -> Ranking:
    """The ranking to which an entry with the columns ``values`` belongs; made for the first one."""
    group = {name: values[name] for name in GROUP}
    ranking, _ = Ranking.objects.get_or_create(
        **group, defaults={"data_set": values.get("data_set")}
    )
    return ranking


def enter(entry: Entry) -> int:
    """Rank an entry that was just listed, for the first time; how many others it moved down."""
    with transaction.atomic():
        _lock([entry.ranking_id])
        ends = _Ends.of(entry)
        entry.rank = 1 + _others(entry).filter(ends.is_beaten_by()).count()
        moved = _others(entry).filter(ends.beats()).update(rank=F("rank") + 1)
        Entry.objects.filter(pk=entry.pk).update(rank=entry.rank)
        recount(entry.ranking_id)
    return moved


def leave(entries: Iterable[Entry]) -> None:
    """Close the gaps of entries that are listed no longer."""
    gone = sorted(entries, key=lambda entry: entry.ranking_id)
    with transaction.atomic():
        _lock({entry.ranking_id for entry in gone})
        for entry in gone:
            _others(entry).filter(_Ends.of(entry).beats()).update(rank=F("rank") - 1)
        for ranking_id in {entry.ranking_id for entry in gone}:
            recount(ranking_id)


@dataclass(frozen=True)
class _Ends:
    """What decides between an entry and the rows of its ranking.

    ``fast`` must lie below another's ``slow`` for being faster: the ends of two intervals, none
    narrower than its noise floor, or, where latencies are modelled and exact, the latency with and
    without the margin of a tie.
    """

    fast: float
    slow: float
    low: float  # ends of the mAP's interval
    high: float

    @classmethod
    def of(cls, entry: Entry) -> _Ends:
        ms, ratio = entry.latency_ms, entry.ratio
        modelled = entry.kind == "modelled"
        low = ratio if entry.ratio_low is None else entry.ratio_low
        high = ratio if entry.ratio_high is None else entry.ratio_high
        floor = entry.noise_floor or 0.0
        return cls(
            fast=ms * (1 + MODELLED_TIE) if modelled else ms * max(high / ratio, 1 + floor),
            slow=ms if modelled else ms * min(low / ratio, 1 - floor),
            low=entry.map50_95 if entry.map_low is None else entry.map_low,
            high=entry.map50_95 if entry.map_high is None else entry.map_high,
        )

    def is_beaten_by(self) -> Q:
        """Rows that beat it: better beyond both intervals in one, not worse beyond them in the
        other."""
        return Q(fast__lt=self.slow, high__gte=self.low) | Q(low__gt=self.high, slow__lte=self.fast)

    def beats(self) -> Q:
        """Rows that it beats."""
        return Q(slow__gt=self.fast, low__lte=self.high) | Q(high__lt=self.low, fast__gte=self.slow)


def _others(entry: Entry) -> EntryQuerySet:
    """The listed entries of its ranking with their own ends; a ranking has one kind of figures."""
    ms, ratio, floor = F("latency_ms"), F("ratio"), Coalesce("noise_floor", 0.0)
    low, high = Coalesce("ratio_low", ratio) / ratio, Coalesce("ratio_high", ratio) / ratio
    modelled = entry.kind == "modelled"
    rows = Entry.objects.listed().filter(ranking=entry.ranking_id).exclude(pk=entry.pk).order_by()
    return rows.alias(
        fast=ms * (1 + MODELLED_TIE) if modelled else ms * Greatest(high, 1 + floor),
        slow=ms if modelled else ms * Least(low, 1 - floor),
        low=Coalesce("map_low", "map50_95"),
        high=Coalesce("map_high", "map50_95"),
    )


def _lock(ids: Iterable[int]) -> None:
    """One at a time in a ranking; by number, so that no two wait for each other."""
    rows = Ranking.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    list(rows.values_list("pk"))


def named_anew(upload: Detector | DataSet) -> None:
    """Let kept pages be forgotten that name the model or data set: it was renamed or hidden."""
    rows = Entry.objects.filter(Q(detector=upload.pk) | Q(data_set=upload.pk))
    for ranking_id in sorted(set(rows.order_by().values_list("ranking", flat=True))):
        recount(ranking_id)


def recount(ranking_id: int) -> None:
    """Count what is listed, and let kept pages of the leaderboard be forgotten."""
    listed = Entry.objects.listed().filter(ranking=ranking_id).order_by()
    families, families_met = (
        dict(rows.values_list("family").annotate(n=Count("pk")).order_by("family"))
        for rows in (listed, listed.filter(met=True))
    )
    # Named like the data set of a listed entry, a public one if there is any.
    by_name = listed.order_by("-data_set__visibility", "created", "pk")  # "public" > "private"
    named = by_name.values_list("data_set", flat=True).first()
    used = listed.values_list("detector").annotate(n=Count("pk")).order_by("-n", "detector")
    Ranking.objects.filter(pk=ranking_id).update(
        entries=sum(families.values()),
        families=families,
        families_met=families_met,
        data_set=named,
        most_used=[list(row) for row in used[:MOST_MODELS]],
        version=new_version(),
    )
