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
from devices.errors import DeviceNotReady
from webapp.jobs.processes import is_alive, is_here

log = logging.getLogger(__name__)

_NAME = f"actnas-jobs-{os.getuid()}"
_SYSTEM = ("/tmp", "/var/tmp")
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
    unpacked there then only needs a new name; else in the temporary folder, or in the system's.

    Raises:
        devices.errors.DeviceNotReady: there is no such place; one line that says what to change.
    """
    parent = _for_boxes(worker.replace(":", "_"))
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="box-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if parent != Path(tempfile.gettempdir()):
            with suppress(OSError):
                parent.rmdir()  # unless it holds more


def _for_boxes(name: str) -> Path:
    """The folder ``name``, or one that holds more, in a place where *nobody* gets to."""
    place = _opened(_boxes() / name)
    if os.geteuid() != 0 or _lets_pass(place):
        return place
    with suppress(OSError):
        place.rmdir()
    if _lets_pass(Path(tempfile.gettempdir())):
        return Path(tempfile.gettempdir())
    for base in _SYSTEM:
        if Path(base).is_dir() and _lets_pass(Path(base)):
            return _opened(_root(base) / name)
    raise DeviceNotReady(
        f"no folder lets the reader of uploads pass: neither {tempfile.gettempdir()} nor "
        f"{' nor '.join(_SYSTEM)}; chmod o+x one of them, and those above it"
    )


def _opened(folder: Path) -> Path:
    """``folder``, made and open to who knows its name, as far as the two last names go."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, folder):
        place.chmod(0o711)
    return folder


def _boxes() -> Path:
    return Path(settings.FOLDERS) / "boxes"


def _lets_pass(folder: Path) -> bool:
    """Whether everybody may go through ``folder``."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def sweep() -> int:
    """Remove the folders of processes of this machine that are dead; how many."""
    count = 0
    try:
        elsewhere = [_root(base) for base in _SYSTEM if (Path(base) / _NAME).exists()]
        places = {_root(), _boxes(), *elsewhere}
        folders = [folder for place in places if place.is_dir() for folder in place.iterdir()]
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


def _root(base: str | None = None) -> Path:
    root = Path(base or tempfile.gettempdir()) / _NAME
    root.mkdir(mode=0o711, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} is somebody else's: remove it, or set TMPDIR")
    root.chmod(0o711)  # who knows the name of a box in it can get there
    return root
