"""Lists of entries for the API: filters, order, and whether the list is a ranking."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from devices.targets import TARGETS
from webapp import paging
from webapp.catalog.choices import Visibility
from webapp.errors import Refused
from webapp.leaderboard import words
from webapp.leaderboard.models import Entry, EntryQuerySet, Ranking
from webapp.leaderboard.selection import rankings
from webapp.paging import Count

ORDERS = {
    "rank": ("rank", "ratio", "pk"),
    "latency": ("latency_ms", "pk"),
    "ratio": ("ratio", "pk"),
    "map": ("-map50_95", "pk"),
    "loss": ("loss", "pk"),
    "memory": ("memory_ratio", "memory", "pk"),
    "newest": ("-created", "pk"),
}
_KINDS = {target.id: target.kind for target in TARGETS}


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; empty: everything. ``data_set``: a version (sha256), or
    the id of a public one."""

    target: str = ""
    device_model: str = ""
    data_set: str = ""
    imgsz: int | None = None
    family: str = ""
    kind: str = ""
    owner: str = ""
    query: str = ""
    order: str = ""


@dataclass(frozen=True)
class Table:
    """``entries`` in order; ``is_ranking`` says whether their ranks may be shown."""

    entries: EntryQuerySet
    count: Count
    order: str
    is_ranking: bool


def table(filters: Filters) -> Table:
    """The listed entries that ``filters`` leave.

    Ranks compare like with like only, so that a list shows them when everything in it is of one
    ranking; wider lists sort by the ratio.

    Raises:
        Refused: an unknown order.
    """
    if filters.order and filters.order not in ORDERS:
        raise Refused(f"unknown order {filters.order!r}; known: {', '.join(ORDERS)}")
    known = rankings()
    fitting = [ranking for ranking in known if _fits(ranking, filters)]
    rows = Entry.objects.listed()
    if len(fitting) == 1:
        rows = rows.filter(ranking=fitting[0].pk)  # as an index has it
    elif len(fitting) < len(known):
        rows = rows.filter(ranking__in=[ranking.pk for ranking in fitting])
    rows, narrowed = _narrow(rows, filters, fitting)
    total = paging.count(rows) if narrowed else Count(sum(r.entries for r in fitting))
    order = filters.order or ("rank" if len(fitting) == 1 else "ratio")
    columns = [paging.ordering(column) for column in ORDERS[order]]
    listed = rows.select_related("owner", "data_set").order_by(*columns)
    return Table(entries=listed, count=total, order=order, is_ranking=len(fitting) == 1)


def _fits(ranking: Ranking, filters: Filters) -> bool:
    """Whether entries of the ranking may be asked for."""
    return (
        filters.target in ("", ranking.target)
        and filters.device_model in ("", ranking.device_model)
        and filters.imgsz in (None, 0, ranking.imgsz)
        and filters.kind in ("", _KINDS[ranking.target])
        and (not _is_version(filters) or filters.data_set == ranking.data_set_version)
        and (not filters.family or filters.family in ranking.families)
    )


def _is_version(filters: Filters) -> bool:
    return len(filters.data_set) == 64


def _narrow(
    rows: EntryQuerySet, filters: Filters, fitting: list[Ranking]
) -> tuple[EntryQuerySet, bool]:
    """What the choice of rankings does not say yet, and whether there was anything."""
    asked = Q()
    if filters.data_set and not _is_version(filters):
        asked &= Q(data_set=filters.data_set, data_set__visibility=Visibility.PUBLIC)
    if filters.family:
        asked &= Q(family=filters.family)
    if filters.owner:
        asked &= Q(owner__username=filters.owner)
    if filters.query:
        asked &= Q(name__icontains=filters.query) | words.in_family(filters.query, places=fitting)
    return rows.filter(asked), bool(asked)
