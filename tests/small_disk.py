"""A disk with no room, for tests marked ``mount``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BUSY_S = 60.0


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[None]:
    """Another file system lies over ``folder`` that holds no more than ``size``."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        deadline = time.monotonic() + _BUSY_S
        # As soon as nobody has a file of it open any more.
        while subprocess.run(["umount", folder], check=False).returncode:
            if time.monotonic() > deadline:
                subprocess.run(["umount", "--lazy", folder], check=True)
                raise AssertionError(f"somebody keeps a file in {folder} open")
            time.sleep(0.1)
