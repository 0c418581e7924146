"""The administrators' analysis: a small document that a worker makes of the job tables."""

from __future__ import annotations

from typing import Any

from django.db import models

from webapp.jobs.models import Job


class Analysis(models.Model):
    """One making of it. The latest that is finished is shown; older ones are deleted."""

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="analysis")
    made = models.DateTimeField(null=True, help_text="null: not finished")
    document: models.JSONField[Any, dict[str, Any]] = models.JSONField(
        default=dict, help_text="{days: {table: rows}}"
    )

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "analyses"

    def __str__(self) -> str:
        return f"analysis {self.pk}"
