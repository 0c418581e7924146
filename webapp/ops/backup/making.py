"""Making a backup, while the site runs."""

from __future__ import annotations

import hmac
import os
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.utils import timezone

import devices
from webapp.ops.backup import archive, database, files
from webapp.ops.backup.archive import BackupError, Writer


@dataclass(frozen=True)
class Made:
    """``size`` is in bytes, compressed; ``vanished`` files were deleted while it was made."""

    rows: int
    files: int
    vanished: int
    size: int


def make(out: Path) -> Made:
    """Write a backup to ``out``, whole or not at all, readable by this user only.

    The rows first, as they are at one moment, then the files: a file is stored before the row that
    names it, so that every row of the backup finds its file. Only what is deleted meanwhile may be
    missing.

    Raises:
        BackupError: a wrong name, a file of that name, or the place cannot be written.
    """
    archive.check_name(out)
    if out.exists():
        raise BackupError(f"{out} exists; a backup overwrites nothing")
    try:
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")  # mode 0600
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream, archive.writing(out, stream, _head()) as writer:
                rows = database.dump(writer)
                tables = writer.members
                vanished = files.dump(writer)
                count = writer.members - tables
                _add_key(writer)
            size = part.stat().st_size
            os.replace(part, out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"{error.filename or out}: {error.strerror or error}") from error
    return Made(rows=rows, files=count, vanished=vanished, size=size)


def key_mark() -> str:
    """Tells one secret key from another, and nothing about either."""
    return hmac.new(settings.SECRET_KEY.encode(), b"actnas.backup", sha256).hexdigest()[:16]


def key_file() -> Path:
    """Where a site keeps the key that it made for itself."""
    return settings.VAR / "secret_key"


def _head() -> dict[str, object]:
    return {
        "version": devices.__version__,
        "made": timezone.now().isoformat(),
        "migrations": database.migrations(),
        "key": key_mark(),
    }


def _add_key(writer: Writer) -> None:
    # Tokens are hashed with it: without it every script would need a new one.
    path = key_file()
    if path.exists() and path.read_text() == settings.SECRET_KEY:
        with path.open("rb") as file:
            writer.add("secret_key", file)
