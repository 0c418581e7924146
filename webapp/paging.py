"""Cursor pages: the next page begins after the last row, whatever was added meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime

from webapp.errors import Refused

Row = TypeVar("Row", bound=Model)

NEWEST = ("-created", "pk")
SIZE, MOST = 50, 200
_NONE_OF_THIS = "the cursor is none of this list; leave it out to begin with the first page"


def after(
    rows: QuerySet[Row], *, order: Sequence[str], cursor: str, size: int
) -> tuple[list[Row], str | None]:
    """``size`` rows after ``cursor`` ("" for the first), and the cursor of the next page if any.

    ``order`` are columns as in ``order_by``, the last of them unique. Rows without a value in a
    column come after those with one.

    Raises:
        Refused: the cursor is none of this list, or the size is out of its range.
    """
    if not 1 <= size <= MOST:
        raise Refused(f"size is {size}; accepted: 1 to {MOST}")
    ordered = rows.order_by(*(ordering(column) for column in order))
    if cursor:
        try:
            ordered = ordered.filter(_beyond(order, _decode(cursor, order)))
        except (ValueError, TypeError):  # a value that its column cannot hold
            raise Refused(_NONE_OF_THIS) from None
    # Ids first: to sort whole rows, a database would read every document in them.
    keys = list(ordered.values_list("pk", flat=True)[: size + 1])
    more = len(keys) > size
    known = rows.in_bulk(keys[:size])
    found = [known[key] for key in keys[:size] if key in known]
    return found, _encode(found[-1], order) if more else None


def link_next(request: HttpRequest, response: HttpResponse, cursor: str | None) -> None:
    """Name the next page in the Link header, as RFC 8288 has it."""
    if cursor is None:
        return
    query = request.GET.copy()
    query["cursor"] = cursor
    address = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    response.headers["Link"] = f'<{address}>; rel="next"'


def ordering(column: str) -> OrderBy:
    """A column as for ``order_by``; rows without a value in it come last, in every database."""
    field = F(column.lstrip("-"))
    return field.desc(nulls_last=True) if column.startswith("-") else field.asc(nulls_last=True)


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows that come after the row with ``values``: equal up to some column, further on in it."""
    found, equal = Q(pk__in=[]), Q()
    for column, value in zip(order, values, strict=True):
        name = column.lstrip("-")
        if value is None:  # the last group: only later columns go on
            equal &= Q(**{f"{name}__isnull": True})
            continue
        step = "lt" if column.startswith("-") else "gt"
        further = Q(**{f"{name}__{step}": value}) | Q(**{f"{name}__isnull": True})
        found |= equal & further
        equal &= Q(**{name: value})
    return found


def _encode(row: Model, order: Sequence[str]) -> str:
    values = [getattr(row, column.lstrip("-")) for column in order]
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
