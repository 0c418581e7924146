"""The analysis: have it made, find the latest one."""

from __future__ import annotations

from django.db import transaction

from webapp.analysis.models import Analysis
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import ALIVE, Kind

_LIMIT_S = 600


def latest() -> Analysis | None:
    """The newest one that is finished."""
    return Analysis.objects.filter(made__isnull=False).first()


def newest() -> Analysis | None:
    """The newest one that was asked for, finished or not."""
    return Analysis.objects.select_related("job").first()


def make_again() -> Analysis:
    """Have it made by a worker of the queue ``validate``; the one at work if there is one."""
    with transaction.atomic():
        at_work = Analysis.objects.filter(made__isnull=True, job__state__in=ALIVE).first()
        if at_work is not None:
            return at_work
        analysis = Analysis.objects.create()
        analysis.job = jobs.create(
            kind=Kind.ANALYSIS,
            queue=queues.VALIDATE,
            payload={"id": analysis.pk},
            limit_s=_LIMIT_S,
        )
        analysis.save(update_fields=["job"])
    return analysis
