"""The public pages: the leaderboard, one entry, the method."""

from __future__ import annotations

import json
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from devices.activations import CATALOG
from devices.targets import TARGETS
from webapp import paging
from webapp.errors import Refused
from webapp.leaderboard import compare as comparing
from webapp.leaderboard import kept, references, scatter, services, snapshots, streams
from webapp.leaderboard.evidence import Evidence
from webapp.leaderboard.glance import glance
from webapp.leaderboard.models import Entry, Reference, Snapshot
from webapp.leaderboard.rows import FIELDS, Row, scale, shown
from webapp.leaderboard.selection import Selection, current, rankings
from webapp.ui.people import signed_in

PAGE = 25


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The leaderboard: one ranking at a time, or every entry without ranks."""
    state, rankings = current()
    selection = Selection(rankings, request.GET)
    name = kept.name(request, selection, state=state)

    def make() -> HttpResponse:
        shown = SafeString(kept.part(name, lambda: _list(request, selection), kind="list"))
        return render(request, "leaderboard/index.html", {"selection": selection, "list": shown})

    return kept.page(name, make, request=request)


def _list(request: HttpRequest, selection: Selection) -> str:
    """The table of one page, and where its scatter goes: the same for every reader."""
    read = partial(
        paging.page, shown(selection.entries()), order=selection.order, size=PAGE, short=True
    )
    try:
        page = read(after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    except Refused:  # a cursor of another list, or none at all
        page = read()
    rows = [Row(entry, entry.by) for entry in page.rows]
    count = selection.count()
    context = {
        "selection": selection,
        "page": page,
        "count": count,
        "rows": rows,
        "scale": scale(rows),
        "drawn": not selection.wide and page.previous is None and count.n > 1,
        "most_drawn": scatter.MOST_POINTS,
        "wide": selection.wide,
        "most_kept": snapshots.MOST_ROWS,
    }
    return render_to_string("leaderboard/_list.html", context, request)


@require_safe
@gzip_page
def points(request: HttpRequest) -> HttpResponse:
    """The scatter's points of the list that the address names, by column: nobody's own."""
    state, rankings = current()
    selection = Selection(rankings, request.GET)

    def make() -> str:
        found = [] if selection.wide else scatter.points(selection.entries())
        return json.dumps(scatter.columns(found), separators=(",", ":"))

    text = kept.part(kept.name(request, selection, state=state), make, kind="points")
    return HttpResponse(text, content_type="application/json")


@require_safe
def stream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """The whole list that the address names, as one file."""
    if kind not in streams.KINDS:
        raise Http404(f"no file of the kind {kind!r}; there are: {', '.join(streams.KINDS)}")
    return streams.answer(Selection(rankings(), request.GET), kind)


@csrf_exempt
@require_POST
def take_snapshot(request: HttpRequest) -> HttpResponse:
    """Keep the list that the form's query names; the snapshot's page follows.

    Without a token: the page with its form is one for all visitors, and the same list is the same
    snapshot, whoever asks and however often.
    """
    selection = Selection(rankings(), QueryDict(request.POST.get("query", "")))
    try:
        made = snapshots.take(
            selection.entries(),
            title=selection.title,
            query=selection.query,
            is_ranking=not selection.wide,
        )
    except Refused as error:
        messages.error(request, f"No snapshot was made: {error}")
        return redirect("leaderboard:index")
    return redirect("leaderboard:snapshot", made.pk)


@require_safe
@gzip_page
def snapshot(request: HttpRequest, snapshot_id: str) -> HttpResponse:
    """A kept list with its export files."""
    return render(request, "leaderboard/snapshot.html", _snapshot(request, snapshot_id))


@never_cache
@require_safe
def snapshot_files(request: HttpRequest, snapshot_id: str) -> HttpResponse:
    """The part of a snapshot's page that changes while its files are written."""
    return render(request, "leaderboard/_snapshot_files.html", _snapshot(request, snapshot_id))


@require_safe
def snapshot_file(request: HttpRequest, snapshot_id: str, kind: str) -> FileResponse:
    """One export file of a snapshot."""
    kept = get_object_or_404(Snapshot.objects.select_related("job"), pk=snapshot_id)
    file = snapshots.open_file(kept, kind)
    if file is None:
        raise Http404(f"snapshot {snapshot_id} has no file of the kind {kind!r} (yet)")
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"actnas-{snapshot_id}.{kind}",
        content_type=snapshots.FORMATS[kind],
    )


def _snapshot(request: HttpRequest, snapshot_id: str) -> dict[str, object]:
    kept = get_object_or_404(Snapshot.objects.select_related("job"), pk=snapshot_id)
    shown_of = (f"entry__{name}" for name in ("owner__username", *FIELDS))
    rows = kept.rows.select_related("entry__owner").only("snapshot", "rank", *shown_of)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    found = []
    for kept_row in page:
        kept_row.entry.rank = kept_row.rank  # as it was then
        found.append(Row(kept_row.entry, kept_row.entry.owner.username))
    return {
        "snapshot": kept,
        "page": page,
        "rows": found,
        "scale": scale(found),
        "wide": not kept.is_ranking,
        "files": snapshots.sizes(kept),
    }


@require_safe
@gzip_page
def entry(request: HttpRequest, entry_id: str) -> HttpResponse:
    """One entry with its evidence; a withdrawn one shows why it was withdrawn and nothing else."""
    found = get_object_or_404(
        Entry.objects.visible_to(request.user).select_related(
            "owner", "detector", "data_set", "search__request", "search__device__host"
        ),
        pk=entry_id,
    )
    if found.withdrawn is not None:
        return render(request, "leaderboard/withdrawn.html", {"entry": found}, status=410)
    mine = found.is_owned_by(request.user) or request.user.is_staff
    context = {
        "entry": found,
        "evidence": Evidence(found, reader=request.user),
        "mine": mine,
        "site": request.build_absolute_uri("/"),
    }
    return render(request, "leaderboard/entry.html", context)


@require_safe
def download(request: HttpRequest, entry_id: str, name: str) -> FileResponse:
    """One file of an entry, under the name that the entry's page shows."""
    found = get_object_or_404(Entry.objects.visible_to(request.user).standing(), pk=entry_id)
    file = services.open_file(found, name)
    if file is None:
        raise Http404(f"entry {entry_id} has no file {name!r}; it has: {', '.join(found.files)}")
    return FileResponse(file, as_attachment=True, filename=name)


@require_safe
@gzip_page
def samples(request: HttpRequest, entry_id: str) -> JsonResponse:
    """Every latency sample of the entry's lease in ms: {arm: blocks of samples}, in order."""
    visible = Entry.objects.visible_to(request.user).standing().select_related("search")
    found = get_object_or_404(visible, pk=entry_id)
    arms = services.raw_samples(found)
    if not arms:
        raise Http404(f"entry {entry_id} is {found.kind}: it has no samples")
    document = {"entry": found.pk, "target": found.target, "unit": "ms", "arms": arms}
    answer = JsonResponse(document)
    answer.headers["Content-Disposition"] = f'attachment; filename="samples-{found.pk}.json"'
    return answer


@login_required
@require_POST
def withdraw(request: HttpRequest, entry_id: str) -> HttpResponse:
    """Take an own entry off the leaderboard. Its address stays and says why."""
    visible = Entry.objects.visible_to(request.user).standing()
    found = get_object_or_404(visible, pk=entry_id)
    if not (found.is_owned_by(request.user) or request.user.is_staff):
        raise PermissionDenied(f"entry {entry_id} belongs to {found.owner}")
    reason = request.POST.get("reason", "").strip()
    if not reason:
        messages.error(request, "Say why: the reason stays on the entry's page.")
    else:
        services.withdraw(found, by=signed_in(request), reason=reason)
    return redirect("leaderboard:entry", found.pk)


@require_safe
@gzip_page
def compare(request: HttpRequest) -> HttpResponse:
    """Two to four entries side by side; ``?entries=a,b`` is the address to share."""
    ids = comparing.ids_of(request.GET.getlist("entries"))
    canonical = ",".join(ids)
    if ids and request.GET.getlist("entries") != [canonical]:
        address = QueryDict(mutable=True)
        address["entries"] = canonical
        return redirect(f"{request.path}?{address.urlencode(safe=',')}")
    visible = Entry.objects.visible_to(request.user).standing()
    found = visible.select_related("owner", "detector", "data_set", "search__request").in_bulk(
        ids[: comparing.MOST]
    )
    entries = [found[key] for key in ids if key in found]
    problem = ""
    if len(ids) > comparing.MOST:
        problem = f"{len(ids)} entries were asked for; the first {comparing.MOST} are shown."
    elif missing := [key for key in ids if key not in found]:
        problem = f"Not here, withdrawn or not yours to see: {', '.join(missing)}."
    elif len(ids) == 1:
        problem = "One entry alone has nothing to be compared with."
    context = {"comparison": comparing.Comparison(entries), "problem": problem}
    return render(request, "leaderboard/compare.html", context)


@require_safe
@gzip_page
def method(request: HttpRequest) -> HttpResponse:
    """What is measured and how, in plain words."""
    context = {"activations": list(CATALOG.values()), "targets": TARGETS}
    return render(request, "leaderboard/method.html", context)


@require_safe
@gzip_page
def references_page(request: HttpRequest) -> HttpResponse:
    """One activation everywhere: well-known models on every target that was studied."""
    found = list(Reference.objects.all())
    chosen = glance(found, family=request.GET.get("model", ""), imgsz=request.GET.get("px", ""))
    context = {"tables": references.tables(found), "glance": chosen}
    return render(request, "leaderboard/references.html", context)
