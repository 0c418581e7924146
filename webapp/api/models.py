"""Answers that are given again when a request is sent again."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

KEPT = timedelta(hours=24)


class Replay(models.Model):
    """The answer to a creating request with an Idempotency-Key; ``status`` is 0 while it runs."""

    key = models.CharField(max_length=64, unique=True, help_text="sha256 over sender and key")
    fingerprint = models.CharField(max_length=64, help_text="sha256 over what was asked for")
    status = models.PositiveSmallIntegerField(default=0)
    content_type = models.CharField(max_length=80, blank=True)
    body = models.BinaryField(default=b"")
    worker = models.CharField(
        max_length=120, blank=True, help_text="host:pid:start of the web process that runs it"
    )
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.status}"
