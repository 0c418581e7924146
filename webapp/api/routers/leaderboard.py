"""The leaderboard and its entries."""

from __future__ import annotations

import math
from urllib.parse import urlencode

from django.http import FileResponse, HttpRequest, HttpResponse
from ninja import Query, Router, Status

from webapp import paging
from webapp.api import documents, lists, schemas
from webapp.api.auth import ANYONE, SIGNED_IN, missing, user_of
from webapp.api.lists import CURSOR, SIZE
from webapp.errors import Refused
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry, Reference, Snapshot
from webapp.leaderboard.selection import rankings as all_rankings
from webapp.leaderboard.services import open_file, raw_samples, withdraw
from webapp.leaderboard.tables import ORDERS, Filters, table

_DOWNLOAD = {
    "responses": {
        200: {
            "description": "The file",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    }
}

router = Router(tags=["leaderboard"], auth=ANYONE)


@router.get("/leaderboard", response=schemas.Page)
def leaderboard(
    request: HttpRequest,
    response: HttpResponse,
    target: str = "",
    device_model: str = "",
    data_set: str = "",
    imgsz: int | None = None,
    family: str = "",
    kind: str = "",
    owner: str = "",
    q: str = "",
    order: str = Query("", description=f"one of {', '.join(ORDERS)}; empty: as fits the list"),
    cursor: str = Query("", description="`next` of the page before; empty: the first page"),
    page: int = Query(
        1,
        ge=1,
        description="by number instead, among the first 10,000; a cursor misses and repeats none",
    ),
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
    listed = found.entries.select_related("search")
    pages = max(1, math.ceil(min(found.count.n, paging.MOST_COUNTED) / size))
    number = min(page, pages)
    following: str | None = None
    if number == 1:
        shown, following = paging.after(listed, order=ORDERS[found.order], cursor=cursor, size=size)
    else:
        shown = list(listed[(number - 1) * size : number * size])
    paging.link_next(request, response, following)
    return schemas.Page(
        count=found.count.n,
        count_is_exact=found.count.exact,
        page=number,
        pages=pages,
        next=following,
        is_ranking=found.is_ranking,
        entries=[documents.entry(row, reader=request.user) for row in shown],
    )


@router.get("/leaderboard/rankings", response=list[schemas.RankingOut])
def rankings(request: HttpRequest) -> list[schemas.RankingOut]:
    """Every ranking that has an entry: what to ask GET /leaderboard for."""
    plain = set(schemas.RankingOut.model_fields) - {"kind", "data_set_name"}
    return [
        schemas.RankingOut(
            kind=one.on.kind,
            data_set_name=one.data_set.name_for(request.user) if one.data_set else "",
            **{name: getattr(one, name) for name in plain},
        )
        for one in all_rankings()
    ]


@router.get("/references", response=list[schemas.ReferenceOut])
def references(
    request: HttpRequest, response: HttpResponse, cursor: str = CURSOR, size: int = SIZE
) -> list[schemas.ReferenceOut]:
    """One activation everywhere: well-known models on the targets that were studied."""
    rows = lists.page(
        request, response, Reference.objects.all(), order=("pk",), cursor=cursor, size=size
    )
    return [documents.reference(row) for row in rows]


@router.post("/leaderboard/snapshots", response={201: schemas.SnapshotOut}, auth=SIGNED_IN)
def take_snapshot(request: HttpRequest, body: schemas.SnapshotIn) -> Status[schemas.SnapshotOut]:
    """Keep a list as it is now. Its CSV, Parquet and JSON files are written by a worker: poll."""
    filters = Filters(**body.model_dump(exclude={"q"}), query=body.q)
    found = table(filters)
    asked = {name: value for name, value in body.model_dump().items() if value}
    made = snapshots.take(
        found.entries,
        title=", ".join(str(value) for value in asked.values())[:200] or "All entries",
        query=urlencode({"target": body.target or "all"}),
        is_ranking=found.is_ranking,
    )
    return Status(201, documents.snapshot(request, made))


@router.get("/leaderboard/snapshots/{snapshot_id}", response=schemas.SnapshotOut)
def get_snapshot(request: HttpRequest, snapshot_id: str) -> schemas.SnapshotOut:
    """A snapshot: its state, and the addresses of its files once they are written."""
    row = Snapshot.objects.select_related("job").filter(pk=snapshot_id).first()
    if row is None:
        raise missing("snapshot", snapshot_id)
    return documents.snapshot(request, row)


@router.get("/entries/{entry_id}", response=schemas.EntryDetail)
def entry(request: HttpRequest, entry_id: str) -> schemas.EntryOut:
    """An entry with every arm of its search. A withdrawn one says why."""
    return _detail(request, entry_id)


@router.post("/entries/{entry_id}/withdraw", response=schemas.EntryDetail, auth=SIGNED_IN)
def withdraw_entry(
    request: HttpRequest, entry_id: str, body: schemas.WithdrawIn
) -> schemas.EntryOut:
    """Take an own entry off the leaderboard; its address stays and says why."""
    row = Entry.objects.filter(pk=entry_id, owner=user_of(request)).first()
    if row is None:
        raise missing("entry", entry_id)
    if not body.reason.strip():
        raise Refused("reason is empty; it stays on the entry's page")
    withdraw(row, by=user_of(request), reason=body.reason.strip())
    return _detail(request, entry_id)


@router.get("/entries/{entry_id}/samples", response=schemas.SamplesOut)
def samples(request: HttpRequest, entry_id: str) -> schemas.SamplesOut:
    """Every latency sample of the lease that measured the entry."""
    row = _visible(request, entry_id)
    found = {} if row.withdrawn else raw_samples(row)
    if not found:
        raise missing("samples of the entry", entry_id)
    return schemas.SamplesOut(entry=row.pk, target=row.target, unit="ms", arms=found)


@router.get("/entries/{entry_id}/files/{name}", openapi_extra=_DOWNLOAD)
def file(request: HttpRequest, entry_id: str, name: str) -> FileResponse:
    """Download a file of an entry: the model that was measured, its assignment, its weights."""
    row = _visible(request, entry_id)
    found = None if row.withdrawn else open_file(row, name)
    if found is None:
        raise missing("file", name)
    return FileResponse(
        found,
        as_attachment=True,
        filename=name,
        content_type="application/octet-stream",
    )


def _detail(request: HttpRequest, entry_id: str) -> schemas.EntryOut:
    return documents.entry(_visible(request, entry_id), reader=request.user, detail=True)


def _visible(request: HttpRequest, entry_id: str) -> Entry:
    rows = Entry.objects.visible_to(request.user).select_related("owner", "search", "data_set")
    row = rows.filter(pk=entry_id).first()
    if row is None:
        raise missing("entry", entry_id)
    return row
