"""Cursor pages: the next page begins after the last row, whatever was added meanwhile.

A database finds the first row of any page by an index and reads no row before it, so that a page in
the depth of a long list costs what the first one does.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime

from webapp.errors import Refused

Row = TypeVar("Row", bound=Model)

NEWEST = ("-created", "pk")
SIZE, MOST = 50, 200
MOST_COUNTED = 10_000
_NONE_OF_THIS = "the cursor is none of this list; leave it out to begin with the first page"


@dataclass(frozen=True)
class Count:
    """How many rows a list has; not ``exact``: more than ``n``, and nobody counted on."""

    n: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.n:,}" if self.exact else f"more than {self.n:,}"


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursors of its neighbours; None where there is none."""

    rows: list[Row]
    next: str | None
    previous: str | None


def after(
    rows: QuerySet[Row], *, order: Sequence[str], cursor: str, size: int
) -> tuple[list[Row], str | None]:
    """``size`` rows after ``cursor`` ("" for the first), and the cursor of the next page if any.

    ``order`` are columns as in ``order_by``, the last of them unique. Rows without a value in a
    column come after those with one.

    Raises:
        Refused: the cursor is none of this list, or the size is out of its range.
    """
    found = page(rows, order=order, after=cursor, size=size)
    return found.rows, found.next


def page(
    rows: QuerySet[Row],
    *,
    order: Sequence[str],
    after: str = "",
    before: str = "",
    size: int,
    short: bool = False,
) -> Page[Row]:
    """``size`` rows after one cursor, or before the other; the first ones without any.

    ``short``: what is read of a row is no document, so that one look reads the page.

    Raises:
        Refused: a cursor is none of this list, or the size is out of its range.
    """
    if not 1 <= size <= MOST:
        raise Refused(f"size is {size}; accepted: 1 to {MOST}")
    back = bool(before and not after)
    cursor = after or before
    values = _decode(cursor, order) if cursor else None
    try:
        if short:
            read = _first(rows, order, values, back=back, size=size + 1)
        else:
            # Ids first: to sort whole rows, a database would read every document in them.
            keys = _keys(rows, order, values, back=back, size=size + 1)
            known = rows.in_bulk(keys)
            read = [known[key] for key in keys if key in known]
    except (ValueError, TypeError, ValidationError):  # a value that its column cannot hold
        raise Refused(_NONE_OF_THIS) from None
    more = len(read) > size
    found = read[:size][::-1] if back else read[:size]
    if not found:
        return Page([], None, None)
    goes_on, came_from = more or back, bool(cursor) and (more or not back)
    return Page(
        found,
        cursor_of(found[-1], order) if goes_on else None,
        cursor_of(found[0], order) if came_from else None,
    )


def every(rows: QuerySet[Row], *, order: Sequence[str], size: int) -> Iterator[Row]:
    """All rows, read ``size`` at a time: no transaction stays open for a slow reader, and nothing
    of the list's length is in memory. Rows that come or go meanwhile may be seen or not."""
    values: list[Any] | None = None
    while True:
        keys = _keys(rows, order, values, back=False, size=size)
        known = rows.in_bulk(keys)
        found = [known[key] for key in keys if key in known]
        yield from found
        if len(keys) < size or not found:
            return
        values = [_value(found[-1], column) for column in order]


def count(rows: QuerySet[Any]) -> Count:
    """How many rows; counting ends at MOST_COUNTED, because it reads each of them."""
    n = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
    return Count(min(n, MOST_COUNTED), exact=n <= MOST_COUNTED)


def link_next(request: HttpRequest, response: HttpResponse, cursor: str | None) -> None:
    """Name the next page in the Link header, as RFC 8288 has it."""
    if cursor is None:
        return
    query = request.GET.copy()
    query["cursor"] = cursor
    address = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    response.headers["Link"] = f'<{address}>; rel="next"'


def ordering(column: str, *, back: bool = False) -> OrderBy:
    """A column as for ``order_by``; rows without a value in it come last, in every database.

    ``back`` is the opposite order, in which they come first. A descending column must have a value
    in every row: PostgreSQL's indexes hold the others at the wrong end.
    """
    field = F(column.lstrip("-"))
    if column.startswith("-") == back:
        return field.asc(nulls_last=None if back else True)
    return field.desc(nulls_first=True if back else None)


def _keys(
    rows: QuerySet[Row],
    order: Sequence[str],
    values: Sequence[Any] | None,
    *,
    back: bool,
    size: int,
) -> list[Any]:
    """As :func:`_first`, of each row its key."""
    return _first(rows.values_list("pk", flat=True), order, values, back=back, size=size)


def _first(
    rows: QuerySet[Any, Any],
    order: Sequence[str],
    values: Sequence[Any] | None,
    *,
    back: bool,
    size: int,
) -> list[Any]:
    """The first ``size`` rows beyond ``values``, or of all; going ``back``, the last one first."""
    ordered = rows.order_by(*(ordering(column, back=back) for column in order))
    first = order[0].lstrip("-")
    if values is not None:
        may_lack = [_may_lack(rows, column.lstrip("-")) for column in order]
        ordered = ordered.filter(_beyond(order, values, may_lack=may_lack, back=back))
    parts = [ordered]
    if _may_lack(rows, first):
        # Two scans of the index: a condition that allows for both would be none for it.
        with_value, without = (ordered.filter(**{f"{first}__isnull": no}) for no in (False, True))
        parts = [without, with_value] if back else [with_value, without]
    if values is not None and values[0] is not None:
        # Where the scan of the index begins; it says nothing that _beyond does not say.
        side = "lte" if order[0].startswith("-") != back else "gte"
        bounded = 1 if back and len(parts) > 1 else 0
        parts[bounded] = parts[bounded].filter(**{f"{first}__{side}": values[0]})
    found: list[Any] = []
    for part in parts:
        if len(found) < size:
            found += part[: size - len(found)]
    return found


def _may_lack(rows: QuerySet[Any, Any], column: str) -> bool:
    return column != "pk" and bool(rows.model._meta.get_field(column).null)


def _beyond(
    order: Sequence[str], values: Sequence[Any], *, may_lack: Sequence[bool], back: bool
) -> Q:
    """Rows that come after the row with ``values`` (before it: ``back``): equal up to some column,
    further on in it. ``may_lack``: whether there are rows without a value in the column."""
    found, equal = Q(pk__in=[]), Q()
    for column, value, lacking in zip(order, values, may_lack, strict=True):
        name = column.lstrip("-")
        missing = Q(**{f"{name}__isnull": True})
        if value is None:
            found |= equal & ~missing if back else Q(pk__in=[])
            equal &= missing
            continue
        step = "lt" if column.startswith("-") != back else "gt"
        further = Q(**{f"{name}__{step}": value})
        found |= equal & (further | missing if lacking and not back else further)
        equal &= Q(**{name: value})
    return found


def _value(row: Model, column: str) -> Any:
    return getattr(row, column.lstrip("-"))


def cursor_of(row: Model, order: Sequence[str]) -> str:
    """The cursor of the page that begins after ``row``."""
    values = [_value(row, column) for column in order]
    text = json.dumps([list(order), values], default=lambda value: value.isoformat())
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, order: Sequence[str]) -> list[Any]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        columns, values = json.loads(text)
        known = list(columns) == list(order) and len(values) == len(order)
        plain = known and all(v is None or isinstance(v, str | int | float) for v in values)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        plain = False
    if not plain:
        raise Refused(_NONE_OF_THIS)
    read = []
    for column, value in zip(order, values, strict=True):
        if column.lstrip("-") == "created":
            value = parse_datetime(str(value))
            if value is None:
                raise Refused(_NONE_OF_THIS)
        read.append(value)
    return read
