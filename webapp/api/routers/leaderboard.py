"""The leaderboard and its entries."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import FileResponse, HttpRequest
from ninja import Query, Router

from webapp.api import documents, schemas
from webapp.api.auth import ANYONE, missing
from webapp.leaderboard.models import Entry
from webapp.leaderboard.services import file_path
from webapp.leaderboard.tables import Filters, table

router = Router(tags=["leaderboard"], auth=ANYONE)


@router.get("/leaderboard", response=schemas.Page)
def leaderboard(
    request: HttpRequest,
    target: str = "",
    device_model: str = "",
    data_set: str = "",
    imgsz: int | None = None,
    family: str = "",
    kind: str = "",
    owner: str = "",
    q: str = "",
    order: str = "",
    page: int = Query(1, ge=1),
    size: int = Query(50, ge=1, le=200),
) -> schemas.Page:
    """Public entries. With target, device, data set and image size fixed it is a ranking."""
    filters = Filters(
        target=target,
        device_model=device_model,
        data_set=data_set,
        imgsz=imgsz,
        family=family,
        kind=kind,
        owner=owner,
        query=q,
        order=order,
    )
    found = table(filters)
    paginator = Paginator(found.entries.select_related("search"), size)
    rows = paginator.get_page(page)
    return schemas.Page(
        count=paginator.count,
        page=rows.number,
        pages=paginator.num_pages,
        is_ranking=found.is_ranking,
        entries=[documents.entry(row) for row in rows],
    )


@router.get("/entries/{entry_id}", response=schemas.EntryDetail)
def entry(request: HttpRequest, entry_id: str) -> schemas.EntryOut:
    """An entry with every arm of its search. A withdrawn one says why."""
    return documents.entry(_visible(request, entry_id), detail=True)


@router.get("/entries/{entry_id}/files/{name}")
def file(request: HttpRequest, entry_id: str, name: str) -> FileResponse:
    """Download a file of an entry: the model that was measured, its assignment, its weights."""
    row = _visible(request, entry_id)
    path = None if row.withdrawn else file_path(row, name)
    if path is None:
        raise missing("file", name)
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)


def _visible(request: HttpRequest, entry_id: str) -> Entry:
    rows = Entry.objects.visible_to(request.user).select_related("owner", "search")
    row = rows.filter(pk=entry_id).first()
    if row is None:
        raise missing("entry", entry_id)
    return row
