"""Parameters of every list that comes in pages."""

from __future__ import annotations

from typing import Any

from ninja import Query

from webapp import paging

CURSOR: Any = Query("", description="from the `Link` header; empty: the first page")
EVERYONE: Any = Query(False, description="also what others made public")
SIZE: Any = Query(paging.SIZE, ge=1, le=paging.MOST, description="rows a page")
