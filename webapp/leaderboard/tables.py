"""Lists of entries: filters, order, and whether the list is a ranking."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q

from webapp import paging
from webapp.errors import Refused
from webapp.leaderboard.models import Entry, EntryQuerySet
from webapp.leaderboard.ranking import GROUP

ORDERS = {
    "rank": ("rank", "ratio", "pk"),
    "latency": ("latency_ms", "pk"),
    "ratio": ("ratio", "pk"),
    "map": ("-map50_95", "pk"),
    "loss": ("loss", "pk"),
    "memory": ("memory", "pk"),
    "newest": ("-created", "pk"),
}


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; empty: everything. ``data_set``: a version (sha256) or an id."""

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
    filters: Filters
    order: str
    is_ranking: bool


def table(filters: Filters, *, user: User | AnonymousUser | None = None) -> Table:
    """The standing entries that ``filters`` leave: public ones, with ``user`` also their own.

    Ranks compare like with like only, so that a list shows them when everything in it is of one
    group; wider lists sort by the ratio.

    Raises:
        Refused: an unknown order.
    """
    if filters.order and filters.order not in ORDERS:
        raise Refused(f"unknown order {filters.order!r}; known: {', '.join(ORDERS)}")
    shown = Entry.objects.visible_to(user).standing() if user else Entry.objects.listed()
    rows = _narrow(shown, filters)
    is_ranking = _one_group(rows)
    order = filters.order or ("rank" if is_ranking else "ratio")
    columns = [paging.ordering(column) for column in ORDERS[order]]
    listed = rows.select_related("owner", "data_set").order_by(*columns)
    return Table(entries=listed, filters=filters, order=order, is_ranking=is_ranking)


def choices(name: str) -> list[str]:
    """The values that a filter can take among public entries."""
    rows = Entry.objects.listed().order_by(name).values_list(name, flat=True)
    return [str(value) for value in rows.distinct()]


def _narrow(rows: EntryQuerySet, filters: Filters) -> EntryQuerySet:
    wanted = asdict(filters)
    for field in ("target", "device_model", "imgsz", "family", "kind"):
        if wanted[field]:
            rows = rows.filter(**{field: wanted[field]})
    if filters.data_set:
        rows = rows.filter(Q(data_set_version=filters.data_set) | Q(data_set_id=filters.data_set))
    if filters.owner:
        rows = rows.filter(owner__username=filters.owner)
    if filters.query:
        rows = rows.filter(Q(name__icontains=filters.query) | Q(family__icontains=filters.query))
    return rows


def _one_group(rows: EntryQuerySet) -> bool:
    # Two are enough to know that there is more than one.
    return rows.order_by().values(*GROUP).distinct()[:2].count() <= 1 and rows.exists()
