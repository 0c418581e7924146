"""What all lists have in common that come in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query

from webapp import paging

Row = TypeVar("Row", bound=Model)

CURSOR: Any = Query("", description="from the `Link` header; empty: the first page")
EVERYONE: Any = Query(False, description="also what others made public")
SIZE: Any = Query(paging.SIZE, ge=1, le=paging.MOST, description="rows a page")


def page(
    request: HttpRequest,
    response: HttpResponse,
    rows: QuerySet[Row],
    *,
    cursor: str,
    size: int,
    order: Sequence[str] = paging.NEWEST,
) -> list[Row]:
    """``size`` rows after ``cursor``; the Link header of ``response`` names the next page.

    Raises:
        Refused: the cursor is none of this list.
    """
    found, following = paging.after(rows, order=order, cursor=cursor, size=size)
    paging.link_next(request, response, following)
    return found
