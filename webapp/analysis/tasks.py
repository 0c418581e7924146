"""What a worker does for the analysis: figures from pandas frames, kept as a small document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.utils import timezone

from webapp.analysis import frames
from webapp.analysis.models import Analysis
from webapp.analysis.tables import TABLES, WINDOWS

if TYPE_CHECKING:
    from datetime import datetime

    from webapp.jobs.context import JobContext


def analyse(context: JobContext) -> None:
    """Make the document of an analysis, and forget those before it."""
    analysis = Analysis.objects.get(pk=context.job.payload["id"])
    make(analysis, now=timezone.now())
    Analysis.objects.filter(pk__lt=analysis.pk).delete()


def make(analysis: Analysis, *, now: datetime) -> None:
    """Fill ``analysis`` with the figures of the days that end now."""
    known = frames.read(now=now, days=max(WINDOWS))
    analysis.document = {
        str(days): {
            table: json.loads(getattr(known, table)(days).to_json(orient="records"))
            for table in TABLES
        }
        for days in WINDOWS
    }
    analysis.made = now
    analysis.save(update_fields=["document", "made"])
