"""This machine's copies of remote files, found by the sha256 of their content."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from django.conf import settings

FOLDER = "uploads"  # below settings.FOLDERS
_DAY_S = 24 * 3600


class Damaged(OSError):
    """What the storage holds is not what was put there."""


def copy(open_it: Callable[[], Any], *, sha256: str, name: str) -> Path:
    """A path whose last part is ``name``, to the content with that hash; ``open_it`` fetches it.

    Raises:
        Damaged: the fetched content has another hash; FileNotFoundError: as ``open_it`` says.
    """
    path = settings.FOLDERS / FOLDER / sha256 / name
    if path.exists():
        os.utime(path.parent)  # still in use: see sweep
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_it() as source:
        write(source, path, sha256=sha256)
    return path


def write(source: IO[bytes], path: Path, *, sha256: str) -> None:
    """Write ``source`` to ``path``, whole or not at all, also with two processes at it.

    Raises:
        Damaged: it has another hash.
    """
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target, 2**20)
        if digest(Path(part)) != sha256:
            raise Damaged(f"the storage's copy of {path.name} is damaged: its sha256 is another")
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep() -> int:
    """Remove the copies that nobody has asked for since settings.COPIES_DAYS; how many."""
    count = 0
    folder = settings.FOLDERS / FOLDER
    for copied in folder.iterdir() if folder.is_dir() else ():
        if copied.stat().st_mtime < time.time() - settings.COPIES_DAYS * _DAY_S:
            shutil.rmtree(copied, ignore_errors=True)
            count += 1
    return count
