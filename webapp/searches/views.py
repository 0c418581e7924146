"""Pages of search requests: the list, the form, the live page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from devices.activations import CATALOG
from devices.errors import BadRequest
from devices.targets import TARGETS
from webapp.catalog.models import DataSet
from webapp.errors import NotReady, QuotaExceeded, Refused
from webapp.pool.services import served_targets
from webapp.searches import cross, estimates, services, side_by_side
from webapp.searches.choices import Recipe
from webapp.searches.following import Follow
from webapp.searches.forms import SearchForm, target_groups
from webapp.searches.models import Search, SearchRequest
from webapp.searches.study import Study
from webapp.ui.people import signed_in

PAGE = 25


@require_safe
def requests(request: HttpRequest) -> HttpResponse:
    """Search requests that the reader may see, the newest first."""
    visible = (
        SearchRequest.objects.visible_to(request.user)
        .select_related("owner", "detector")
        .prefetch_related("searches__job")
    )
    page = Paginator(visible, PAGE).get_page(request.GET.get("page"))
    return render(request, "searches/list.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; the page of the new request follows."""
    user = signed_in(request)
    served = served_targets()
    given = {"targets": _first_targets(served), **_as_before(request)}
    for name, key in (("detector", "model"), ("data_set", "data_set"), ("recipe", "recipe")):
        if request.GET.get(key):
            given[name] = request.GET[key]
    form = SearchForm(request.POST or None, user=user, initial=given)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_request(
                owner=user,
                detector=form.cleaned_data["detector"],
                data_set=form.cleaned_data["data_set"],
                wish=form.wish(),
                name=form.cleaned_data["name"],
                visibility=form.cleaned_data["visibility"],
            )
            return redirect("searches:request", made.pk)
        except (Refused, BadRequest) as error:
            form.add_error(None, str(error))
    asked = request.POST.copy()
    if request.method != "POST":
        asked.setlist("targets", [str(target) for target in form["targets"].value() or []])
        for name in ("data_set", "recipe"):
            asked[name] = str(form[name].value() or "")
    context = {
        **_estimate(request, asked),
        "form": form,
        "groups": target_groups(served=served, chosen=form["targets"].value() or []),
        "activations": list(CATALOG.values()),
        "chosen_targets": form["targets"].value() or [],
        "chosen_activations": form["activations"].value() or [],
    }
    return render(request, "searches/new.html", context, status=422 if form.errors else 200)


@never_cache
@require_safe
@gzip_page
def request(request: HttpRequest, request_id: str) -> HttpResponse:
    """One request: live while it runs, with verdicts and entries once it is over."""
    return render(request, "searches/request.html", {"follow": _follow(request, request_id)})


@never_cache
@require_safe
@gzip_page
def live(request: HttpRequest, request_id: str) -> HttpResponse:
    """The part of the page that htmx asks for every two seconds while something runs."""
    return render(request, "searches/_live.html", {"follow": _follow(request, request_id)})


@login_required
@require_POST
def cancel_request(request: HttpRequest, request_id: str) -> HttpResponse:
    """Cancel what is still going on of a request."""
    mine = _mine(request, request_id)
    services.cancel_request(mine, by=signed_in(request))
    messages.success(request, "The search is cancelled. What it had finished is kept.")
    return redirect("searches:request", mine.pk)


@login_required
@require_POST
def cancel(request: HttpRequest, request_id: str, search_id: str) -> HttpResponse:
    """Cancel the search of one target."""
    search = get_object_or_404(Search, pk=search_id, request=_mine(request, request_id))
    if services.cancel_search(search, by=signed_in(request)):
        messages.success(request, f"Cancelled on {search.target}. What it had finished is kept.")
    return redirect("searches:request", request_id)


@login_required
@require_POST
def pause(request: HttpRequest, request_id: str, search_id: str) -> HttpResponse:
    """Stop the search of one target until it is resumed."""
    search = get_object_or_404(Search, pk=search_id, request=_mine(request, request_id))
    if services.pause(search, by=signed_in(request)):
        messages.success(request, f"Paused on {search.target}.")
    else:
        messages.warning(request, "Only a search that is going on can be paused.")
    return redirect("searches:request", request_id)


@login_required
@require_POST
def resume(request: HttpRequest, request_id: str, search_id: str) -> HttpResponse:
    """Let a paused search go on from the stages that it finished."""
    search = get_object_or_404(Search, pk=search_id, request=_mine(request, request_id))
    try:
        if services.resume(search, by=signed_in(request)):
            messages.success(request, f"Resumed on {search.target}.")
        else:
            messages.warning(request, "Only a paused search can be resumed.")
    except QuotaExceeded as error:
        messages.error(request, f"Not resumed: {error}.")
    return redirect("searches:request", request_id)


@login_required
@never_cache
@require_safe
def estimate(request: HttpRequest) -> HttpResponse:
    """How long the search of the form would take: asked for whenever the form changes."""
    return render(request, "searches/_estimate.html", _estimate(request, request.GET))


def _estimate(request: HttpRequest, values: QueryDict) -> dict[str, Any]:
    """(target, seconds, from how many searches) of each chosen target; odd values count not."""
    chosen = [target for target in TARGETS if target.id in values.getlist("targets")]
    visible = DataSet.objects.visible_to(request.user).ready()
    data_set = visible.filter(pk=values["data_set"]).first() if values.get("data_set") else None
    epochs = values.get("epochs", "")
    known = estimates.pace_of(
        [target.id for target in chosen],
        recipe=values.get("recipe") or Recipe.SUPERNET,
        work=estimates.work(data_set, epochs=int(epochs) if epochs.isdigit() else None),
    )
    rows = [(target, known.total_s(target.id), known.count(target.id)) for target in chosen]
    return {
        "estimate": rows,
        "estimate_known": any(seconds is not None for _, seconds, _ in rows),
        "cost_study": data_set is None,
    }


@login_required
@require_POST
def retry(request: HttpRequest, request_id: str, search_id: str) -> HttpResponse:
    """Run a failed or cancelled search again from the stages that it finished."""
    search = get_object_or_404(Search, pk=search_id, request=_mine(request, request_id))
    try:
        if services.retry(search, by=signed_in(request)):
            messages.success(request, f"Queued again on {search.target}.")
        else:
            said = "Only a search that failed or was cancelled can be run again."
            messages.warning(request, said)
    except QuotaExceeded as error:
        messages.error(request, f"Not run again: {error}.")
    return redirect("searches:request", request_id)


@login_required
@require_POST
def measure_across(request: HttpRequest, request_id: str) -> HttpResponse:
    """Have every target's best mix measured on the other targets of an own request."""
    mine = _mine(request, request_id)
    try:
        asked = cross.ask(mine, by=signed_in(request))
        if asked:
            messages.success(request, "The missing pairs are queued.")
        else:
            messages.warning(request, "Everything that can be measured has been measured.")
    except (Refused, BadRequest) as error:
        messages.error(request, f"Not measured: {error}.")
    return redirect("searches:request", request_id)


@require_safe
@gzip_page
def figures(request: HttpRequest, request_id: str, search_id: str) -> HttpResponse:
    """The published figures for one target of a request, once its search is finished."""
    search = _finished(request, request_id, search_id)
    context = {"study": Study(search), "others": side_by_side.like(search, reader=request.user)}
    return render(request, "searches/figures.html", {**context, "search": search})


@require_safe
@gzip_page
def against(request: HttpRequest, request_id: str, search_id: str, other_id: str) -> HttpResponse:
    """Two searches for the same model, target and data set side by side."""
    search = _finished(request, request_id, search_id)
    other = get_object_or_404(_searches(request), pk=other_id, result__isnull=False)
    try:
        found = side_by_side.pair(search, other)
    except NotReady as error:
        raise Http404(str(error)) from None
    return render(request, "searches/against.html", {"pair": found, "search": search})


def _finished(request: HttpRequest, request_id: str, search_id: str) -> Search:
    found = _searches(request).filter(result__isnull=False)
    return get_object_or_404(found, pk=search_id, request=request_id)


def _searches(request: HttpRequest) -> QuerySet[Search]:
    """Searches whose request the reader may see."""
    visible = SearchRequest.objects.visible_to(request.user)
    return Search.objects.filter(request__in=visible).select_related(
        "job", "request__owner", "request__detector", "request__data_set"
    )


def _as_before(request: HttpRequest) -> dict[str, Any]:
    """What an earlier request asked for, where the address names one (``?like=``)."""
    like = request.GET.get("like")
    visible = SearchRequest.objects.visible_to(request.user)
    before = visible.filter(pk=like).first() if like else None
    if before is None:
        return {}
    plain = set(SearchForm.base_fields) - {"detector", "data_set"}
    found = {name: getattr(before, name) for name in plain}
    return {**found, "detector": before.detector_id, "data_set": before.data_set_id}


def _first_targets(served: set[str]) -> list[str]:
    """What a new form ticks: one target that is measured and one that is modelled. All of them
    would be a day's work that nobody asked for."""
    kinds = {target.kind: target.id for target in reversed(TARGETS) if target.id in served}
    return [kinds[kind] for kind in ("measured", "modelled") if kind in kinds]


def _follow(request: HttpRequest, request_id: str) -> Follow:
    visible = SearchRequest.objects.visible_to(request.user)
    found = get_object_or_404(
        visible.select_related("owner", "detector", "data_set"), pk=request_id
    )
    return Follow(found, reader=request.user)


def _mine(request: HttpRequest, request_id: str) -> SearchRequest:
    visible = SearchRequest.objects.visible_to(request.user)
    found = get_object_or_404(visible, pk=request_id)
    if not (found.is_owned_by(request.user) or request.user.is_staff):
        raise PermissionDenied(f"search {request_id} belongs to {found.owner}")
    return found
