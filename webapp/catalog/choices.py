"""Words of uploads."""

from __future__ import annotations

from django.db import models


class UploadState(models.TextChoices):
    UPLOADED = "uploaded", "Uploaded"
    VALIDATING = "validating", "Being checked"
    READY = "ready", "Ready"
    REFUSED = "refused", "Refused"


class Visibility(models.TextChoices):
    PRIVATE = "private", "Private"
    PUBLIC = "public", "Public"
