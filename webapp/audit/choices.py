"""Words of the audit trail."""

from __future__ import annotations

from django.db import models


class Action(models.TextChoices):
    ADDED = "added", "Added"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Deleted"
    ENABLED = "enabled", "Put into service"
    TAKEN_OUT = "taken_out", "Taken out of service"
    RETIRED = "retired", "Retired"
    CHECKED = "checked", "Asked to be checked"
    IMPORTED = "imported", "Imported"
    CANCELLED = "cancelled", "Cancelled"
    REQUEUED = "requeued", "Queued again"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    WITHDRAWN = "withdrawn", "Withdrawn"
    ISSUED = "issued", "Issued"
    REVOKED = "revoked", "Revoked"
    SIGNED_IN = "signed_in", "Signed in"
    NOT_SIGNED_IN = "not_in", "Failed to sign in"
