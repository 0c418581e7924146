from __future__ import annotations

from django.db import models


class Scope(models.TextChoices):
    READ = "read", "Read"
    WRITE = "write", "Upload, search, cancel"
