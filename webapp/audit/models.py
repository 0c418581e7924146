"""The audit trail: who did what to what, and when. Rows are added and never changed."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from webapp.audit.choices import Action


class NeverChanged(Exception):
    """Somebody tried to change or delete a row of the trail."""

    def __init__(self) -> None:
        super().__init__("the audit trail is only added to; its rows never change and never go")


class RecordQuerySet(models.QuerySet["Record"]):
    """Rows can be read and added."""

    def update(self, **values: Any) -> NoReturn:
        raise NeverChanged

    def delete(self) -> NoReturn:
        raise NeverChanged

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        raise NeverChanged


class Record(models.Model):
    """One act of a person. Names are copies, so that a row outlives whom and what it names."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=150, db_index=True, help_text="user name at that time")
    actor_key = models.BigIntegerField(help_text="id of that user")
    action = models.CharField(max_length=10, choices=Action.choices)
    kind = models.CharField(max_length=30, help_text="job, device, entry ...")
    key = models.CharField(max_length=40, help_text="id of the object")
    title = models.CharField(max_length=200, help_text="what the object was called")
    detail = models.TextField(blank=True, help_text="the reason, or what changed")

    objects = RecordQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["kind", "key"], name="audit_object")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.title} {self.get_action_display().lower()}"

    def save(self, *args: Any, **options: Any) -> None:
        """Add the row.

        Raises:
            NeverChanged: it is there already.
        """
        if not self._state.adding:
            raise NeverChanged
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise NeverChanged
