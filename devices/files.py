"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a path beside ``path`` to write to; it becomes ``path`` if the block succeeds.

    The suffix is kept, since some writers choose the format by it. On an error nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        yield part
        os.replace(part, path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder beside ``path``; it becomes ``path`` if the block succeeds.

    ``path`` must not be there, or be an empty folder. On an error nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)  # as a folder made by hand, not as a temporary one
        os.replace(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
