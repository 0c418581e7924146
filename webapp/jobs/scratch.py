"""A temporary folder of its own for every process that runs jobs.

A process that is killed removes nothing. Its folder is named by who it was, so that the agent of
the machine finds the dead one's files, however they were called.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from devices import hostlock
from webapp.jobs.processes import is_alive, is_here

log = logging.getLogger(__name__)

_NEW_S = 5.0  # so long after it was made, an upload's file is locked if somebody takes it in


@contextmanager
def own(worker: str) -> Iterator[Path]:
    """Temporary files of the block, and of processes that it starts, go into one folder.

    ``worker`` is ``host:pid:start`` of this process.
    """
    # Found through the temporary folder where nothing else names it: all must find the same one.
    os.environ.setdefault("ACTNAS_HOST_LOCKS", str(hostlock.folder()))
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    folder = _root() / worker.replace(":", "_")  # colons separate paths in too many places
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def box(worker: str) -> Iterator[Path]:
    """A folder inside :func:`own` that a process without rights can get to, as long as the block.

    On the disk of the unpacked data sets where its folders let others pass, because what is
    unpacked there then only needs a new name; else in the temporary folder.
    """
    own_folder = _boxes() / worker.replace(":", "_")
    own_folder.mkdir(parents=True, exist_ok=True)
    for place in (_boxes(), own_folder):
        place.chmod(0o711)
    if os.geteuid() == 0 and not _lets_pass(own_folder):
        parent = tempfile.gettempdir()
    else:
        parent = str(own_folder)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="box-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            own_folder.rmdir()  # unless it holds more


def _boxes() -> Path:
    return Path(settings.FOLDERS) / "boxes"


def _lets_pass(folder: Path) -> bool:
    """Whether everybody may go through ``folder``."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def sweep() -> int:
    """Remove the folders of processes of this machine that are dead; how many."""
    count = 0
    try:
        folders = [*_root().iterdir(), *(_boxes().iterdir() if _boxes().is_dir() else ())]
    except OSError as error:
        log.warning("temporary folders are not swept: %s", error)
        return 0
    for folder in folders:
        worker = ":".join(folder.name.rsplit("_", 2))
        if worker.count(":") == 2 and is_here(worker) and not is_alive(worker):
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def sweep_uploads() -> int:
    """Remove what web processes that were killed had taken in of uploads; how many files.

    Django names them, and a web process locks each one that it is taking in.
    """
    count = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*"):
        with suppress(FileNotFoundError):
            if abs(time.time() - path.stat().st_mtime) > _NEW_S and not _is_locked(path):
                path.unlink()
                count += 1
    return count


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _root() -> Path:
    root = Path(tempfile.gettempdir()) / f"actnas-jobs-{os.getuid()}"
    root.mkdir(mode=0o711, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} is somebody else's: remove it, or set TMPDIR")
    root.chmod(0o711)  # who knows the name of a box in it can get there
    return root
