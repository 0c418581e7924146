"""Search requests and their searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from webapp.api import documents, lists, schemas
from webapp.api.auth import ANYONE, SIGNED_IN, missing, user_of
from webapp.api.lists import CURSOR, EVERYONE, SIZE
from webapp.catalog.models import DataSet, Detector
from webapp.errors import NotReady
from webapp.searches import cross, estimates, services, veil
from webapp.searches.choices import Recipe
from webapp.searches.models import Search, SearchEvent, SearchRequest

router = Router(tags=["searches"])

TARGETS: Any = Query(..., min_length=1, max_length=50, description="ids; repeat the parameter")
_ON_ONE: dict[str, Callable[..., bool]] = {
    "cancel": services.cancel_search,
    "pause": services.pause,
    "resume": services.resume,
    "retry": services.retry,
}


@router.post("/searches", response={201: schemas.RequestOut}, auth=SIGNED_IN)
def create(request: HttpRequest, body: schemas.SearchIn) -> Status[schemas.RequestOut]:
    """Ask for a search. It has one search a target; they share trainings."""
    user = user_of(request)
    detector = Detector.objects.visible_to(user).filter(pk=body.model).first()
    if detector is None:
        raise missing("model", body.model)
    data_set = None
    if body.data_set is not None:
        data_set = DataSet.objects.visible_to(user).filter(pk=body.data_set).first()
        if data_set is None:
            raise missing("data set", body.data_set)
    wish = body.model_dump(exclude={"model", "data_set", "name", "visibility"})
    row = services.create_request(
        owner=user,
        detector=detector,
        data_set=data_set,
        wish=services.Wish(**wish),
        name=body.name,
        visibility=body.visibility,
    )
    return Status(201, documents.request(row, reader=request.user))


@router.get("/searches", response=list[schemas.RequestOut], auth=SIGNED_IN)
def mine(
    request: HttpRequest,
    response: HttpResponse,
    everyone: bool = EVERYONE,
    cursor: str = CURSOR,
    size: int = SIZE,
) -> list[schemas.RequestOut]:
    """Your requests, the newest first. The Link header names the next page."""
    user = user_of(request)
    visible = SearchRequest.objects.visible_to(user).select_related("detector", "data_set")
    owned = visible if everyone else visible.filter(owner=user)
    rows = lists.page(request, response, owned, cursor=cursor, size=size)
    return [documents.request(row, reader=request.user) for row in rows]


@router.get("/searches/estimate", response=list[schemas.EstimateOut], auth=SIGNED_IN)
def estimate(
    request: HttpRequest,
    targets: list[str] = TARGETS,
    data_set: str = Query("", description="id; empty: a cost study"),
    recipe: str = Recipe.SUPERNET.value,
    epochs: int | None = Query(None, ge=1, le=10_000),
) -> list[schemas.EstimateOut]:
    """How long a search would take on each target, by what the last ones like it took."""
    visible = DataSet.objects.visible_to(request.user).ready()
    found = visible.filter(pk=data_set).first() if data_set else None
    if data_set and found is None:
        raise missing("data set", data_set)
    known = estimates.pace_of(targets, recipe=recipe, work=estimates.work(found, epochs=epochs))
    return [
        schemas.EstimateOut(target=one, seconds=known.total_s(one), searches=known.count(one))
        for one in dict.fromkeys(targets)
    ]


@router.get("/searches/{request_id}", response=schemas.RequestOut, auth=ANYONE)
def get(request: HttpRequest, request_id: str) -> schemas.RequestOut:
    """A request with its searches: stages, progress, queue positions."""
    return documents.request(_visible(request, request_id), reader=request.user)


@router.post("/searches/{request_id}/cancel", response=schemas.RequestOut, auth=SIGNED_IN)
def cancel(request: HttpRequest, request_id: str) -> schemas.RequestOut:
    """Cancel every search of the request that has not ended. Only its owner may."""
    row = _own(request, request_id)
    services.cancel_request(row, by=user_of(request))
    return documents.request(row, reader=request.user)


@router.post("/searches/{request_id}/pause", response=schemas.RequestOut, auth=SIGNED_IN)
def pause(request: HttpRequest, request_id: str) -> schemas.RequestOut:
    """Stop every search of the request that is going on; what is finished stays."""
    row = _own(request, request_id)
    services.pause_request(row, by=user_of(request))
    return documents.request(row, reader=request.user)


@router.post("/searches/{request_id}/resume", response=schemas.RequestOut, auth=SIGNED_IN)
def resume(request: HttpRequest, request_id: str) -> schemas.RequestOut:
    """Let every paused search of the request go on."""
    row = _own(request, request_id)
    services.resume_request(row, by=user_of(request))
    return documents.request(row, reader=request.user)


@router.post("/searches/{request_id}/retry", response=schemas.RequestOut, auth=SIGNED_IN)
def retry(request: HttpRequest, request_id: str) -> schemas.RequestOut:
    """Run every failed or cancelled search of the request again, from the stage that failed."""
    row = _own(request, request_id)
    services.retry_request(row, by=user_of(request))
    return documents.request(row, reader=request.user)


@router.get("/searches/{request_id}/log", response=list[schemas.LogOut], auth=ANYONE)
def log(
    request: HttpRequest,
    response: HttpResponse,
    request_id: str,
    cursor: str = CURSOR,
    size: int = SIZE,
) -> list[schemas.LogOut]:
    """What the request's searches wrote down, the newest first. The Link header goes on."""
    row = _visible(request, request_id)
    hidden = veil.over(row, reader=request.user)
    found = SearchEvent.objects.filter(search__request=row).select_related("search")
    rows = lists.page(request, response, found, order=("-pk",), cursor=cursor, size=size)
    return [documents.event(one, hidden=hidden) for one in rows]


@router.get("/searches/{request_id}/cross", response=schemas.CrossOut, auth=ANYONE)
def crossed(request: HttpRequest, request_id: str) -> schemas.CrossOut:
    """The best mix of each target, as the request's other targets see it."""
    return documents.crossed(_visible(request, request_id))


@router.post("/searches/{request_id}/cross", response=schemas.CrossOut, auth=SIGNED_IN)
def measure_across(request: HttpRequest, request_id: str) -> schemas.CrossOut:
    """Have the missing pairs measured, once every search of the request has ended: poll."""
    row = _own(request, request_id)
    cross.ask(row, by=user_of(request))
    return documents.crossed(row)


@router.post(
    "/searches/{request_id}/targets/{target}/{action}",
    response=schemas.SearchOut,
    auth=SIGNED_IN,
)
def act_on_one(
    request: HttpRequest,
    request_id: str,
    target: str,
    action: Literal["cancel", "pause", "resume", "retry"],
) -> schemas.SearchOut:
    """The same for the search of one target only. What it is not in a state for changes nothing."""
    row = _own(request, request_id)
    found = row.searches.select_related("request", "job", "device").filter(target=target).first()
    if found is None:
        raise missing("target of the request", target)
    _ON_ONE[action](found, by=user_of(request))
    return documents.search(_search(request, found.pk), reader=request.user)


@router.get("/searches/{search_id}/tried", response=list[schemas.TriedOut], auth=ANYONE)
def tried(request: HttpRequest, search_id: str) -> list[schemas.TriedOut]:
    """The mixes that one of the request's searches has tried so far, the fastest first."""
    return documents.tried(_search(request, search_id))


@router.get("/searches/{search_id}/result", auth=ANYONE)
def result(request: HttpRequest, search_id: str) -> dict[str, Any]:
    """result.json of a finished search; give the id of one of the request's searches."""
    search = _search(request, search_id)
    if search.result is None:
        raise NotReady(f"search {search_id} is {search.state} and has no result")
    return veil.over(search.request, reader=request.user).result(search.result)


def _search(request: HttpRequest, search_id: str) -> Search:
    rows = Search.objects.select_related("request__detector", "request__data_set", "job", "device")
    search = rows.filter(pk=search_id).first()
    if search is None:
        raise missing("search", search_id)
    _visible(request, search.request_id)
    return search


def _own(request: HttpRequest, request_id: str) -> SearchRequest:
    rows = SearchRequest.objects.select_related("detector", "data_set")
    row = rows.filter(pk=request_id, owner=user_of(request)).first()
    if row is None:
        raise missing("request", request_id)
    return row


def _visible(request: HttpRequest, request_id: str) -> SearchRequest:
    rows = SearchRequest.objects.visible_to(request.user)
    row = rows.select_related("detector", "data_set").filter(pk=request_id).first()
    if row is None:
        raise missing("request", request_id)
    return row
