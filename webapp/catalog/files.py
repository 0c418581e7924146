"""Stored files as paths, for code that can only read paths."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from django.core.files.storage import FileSystemStorage
from django.db.models.fields.files import FieldFile

from webapp import copies


def local_path(file: FieldFile, *, sha256: str) -> Path:
    """A path to the content of ``file``: where it lies, or a copy fetched from remote storage."""
    if isinstance(file.storage, FileSystemStorage):
        return Path(file.path)
    name = file.name or "upload"
    opened = partial(file.storage.open, name, "rb")
    return copies.copy(opened, sha256=sha256, name=Path(name).name)
