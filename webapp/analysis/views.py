"""The administrators' analysis page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from webapp.analysis import services
from webapp.analysis.charts import Charts
from webapp.analysis.tables import TABLES, WINDOWS, as_csv
from webapp.jobs.choices import ALIVE, FINAL, State

_DAYS = 30


@never_cache
@require_safe
@gzip_page
def page(request: HttpRequest) -> HttpResponse:
    """Searches a day, use of devices, seconds of stages and waiting times; ``?days=7``."""
    days = _days(request.GET.get("days", str(_DAYS)))
    shown, asked = services.latest(), services.newest()
    job = None if asked is None else asked.job
    context: dict[str, Any] = {
        "days": days,
        "windows": WINDOWS,
        "made": None if shown is None else shown.made,
        "charts": None if shown is None else Charts(shown.document[str(days)]),
        "at_work": job is not None and job.state in ALIVE,
        "trouble": job.reason if job is not None and job.state in _BROKEN else "",
    }
    return render(request, "analysis/page.html", context)


_BROKEN = set(FINAL) - {State.FINISHED}


@require_POST
def make_again(request: HttpRequest) -> HttpResponse:
    """Have the figures made anew; the page says when they were made."""
    services.make_again()
    messages.success(request, "A worker makes the figures anew. Reload the page in a moment.")
    return redirect("analysis:page")


@require_safe
def download(request: HttpRequest, days: int, table: str) -> HttpResponse:
    """One table as CSV."""
    shown = services.latest()
    if shown is None or table not in TABLES:
        raise Http404(f"no table {table!r}; known: {', '.join(TABLES)}")
    text = as_csv(table, shown.document[str(_days(str(days)))][table])
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{table}-{days}-days.csv"'
    return answer


def _days(text: str) -> int:
    if text not in {str(window) for window in WINDOWS}:
        raise Http404(f"no figures for {text!r} days; known: {', '.join(map(str, WINDOWS))}")
    return int(text)
