"""Stored files as paths, for code that can only read paths."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db.models.fields.files import FieldFile


def local_path(file: FieldFile, *, sha256: str) -> Path:
    """A path to the content of ``file``: where it lies, or a copy fetched from remote storage."""
    if isinstance(file.storage, FileSystemStorage):
        return Path(file.path)
    name = Path(file.name or "upload").name
    copy = settings.FOLDERS / "uploads" / sha256 / name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=copy.parent)
        with os.fdopen(handle, "wb") as target, file.open("rb") as source:
            shutil.copyfileobj(source, target)
        os.replace(part, copy)  # whole or not at all, also with two workers fetching it
    return copy
