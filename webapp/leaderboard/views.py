"""The public pages: the leaderboard, one entry, the method."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from devices.activations import CATALOG
from devices.targets import TARGETS
from webapp.leaderboard import scatter, services
from webapp.leaderboard.evidence import Evidence
from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import Row, scale
from webapp.leaderboard.selection import Selection, rankings

PAGE = 25


@require_safe
@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    """The leaderboard: one ranking at a time, or every entry without ranks."""
    selection = Selection(rankings(), request.GET)
    found = selection.entries().select_related("owner", "detector").defer("arms", "files")
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    rows = [Row(entry) for entry in page]
    drawn = []
    if selection.ranking is not None:
        light = found.select_related(None).only(*scatter.FIELDS)
        drawn = scatter.points(light[: scatter.MOST_POINTS])
    context = {
        "selection": selection,
        "page": page,
        "rows": rows,
        "scale": scale(rows),
        "points": drawn,
    }
    return render(request, "leaderboard/index.html", context)


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
    return render(request, "leaderboard/entry.html", {"entry": found, "evidence": Evidence(found)})


@require_safe
def download(request: HttpRequest, entry_id: str, name: str) -> FileResponse:
    """One file of an entry, under the name that the entry's page shows."""
    found = get_object_or_404(Entry.objects.visible_to(request.user).standing(), pk=entry_id)
    path = services.file_path(found, name)
    if path is None:
        raise Http404(f"entry {entry_id} has no file {name!r}; it has: {', '.join(found.files)}")
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)


@require_safe
@gzip_page
def method(request: HttpRequest) -> HttpResponse:
    """What is measured and how, in plain words."""
    context = {"activations": list(CATALOG.values()), "targets": TARGETS}
    return render(request, "leaderboard/method.html", context)
