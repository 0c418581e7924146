"""The files of the site: what is in the storage, and the two folders that workers write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from webapp import copies
from webapp import folders as shared
from webapp.folders import Folder
from webapp.ops.backup.archive import BackupError, Writer, copy, spool

_TRIES = 3  # for a file that changes while it is read
_PASSING = ("health",)  # of the storage: what readiness writes
_SHARED = "work"
# Of that folder: copies of what is, or was, in a remote storage, and what is known of them.
_COPIES = (copies.FOLDER, shared.RECORDS)


def folders() -> dict[str, Path]:
    """The folders of this machine that workers write, by their name in an archive.

    With a remote storage, what lies in the first one are copies; the archive's come from there.
    """
    here = {"artefacts": settings.ARTEFACTS}
    return here if shared.remote() is not None else {_SHARED: settings.FOLDERS, **here}


def dump(writer: Writer) -> int:
    """Put every file into the archive; how many vanished while they were looked for.

    A file is read whole before it is added, and once more if it changed meanwhile.
    """
    vanished = 0
    for name in _stored(""):
        vanished += not _add(writer, f"storage/{name}", partial(default_storage.open, name, "rb"))
    for folder in map(Folder, shared.all_names()):
        for inner in sorted(folder.stored()):
            name = f"{_SHARED}/{folder.name}/{inner}"
            vanished += not _add(writer, name, partial(folder.open, inner))
    for top, place in folders().items():
        for path in _below(place):
            name = f"{top}/{path.relative_to(place).as_posix()}"
            if path.is_dir():
                writer.add_folder(name)
            else:
                vanished += not _add(writer, name, partial(path.open, "rb"), path)
    return vanished


def in_the_way() -> str | None:
    """A file of this site that a restore would mix with, or None."""
    for name in _stored(""):
        return f"the stored file {name!r}"
    for name in shared.all_names():
        return f"the stored folder {name!r}"
    for folder in folders().values():
        for path in _below(folder):
            if path.is_file():
                return f"the file {path}"
    return None


def install(unpacked: Path, undo: ExitStack) -> int:
    """Bring the unpacked files to where the site looks for them; how many stored ones.

    ``undo`` takes away again what was brought.
    """
    count = 0
    stored = unpacked / "storage"
    for path in _below(stored):
        if path.is_file():
            name = path.relative_to(stored).as_posix()
            with path.open("rb") as file:
                kept = default_storage.save(name, File(file))
            undo.callback(default_storage.delete, kept)
            if kept != name:
                raise BackupError(f"the storage keeps {name!r} under another name: {kept!r}")
            count += 1
    if shared.remote() is not None:
        _share(unpacked / _SHARED, undo)
    for top, folder in folders().items():
        source = unpacked / top
        if not source.exists():
            continue
        if folder.exists():
            _remove_empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for child in sorted(source.iterdir()):
            target = folder / child.name
            undo.callback(_remove, target)
            shutil.move(child, target)  # a rename, but where the folder is a mount of its own
    return count


def _share(unpacked: Path, undo: ExitStack) -> None:
    """Put the unpacked shared folders, ``kind/name`` each, into the remote storage."""
    for source in sorted(unpacked.glob("*/*")):
        folder = Folder(source.relative_to(unpacked).as_posix())
        undo.callback(folder.remove)
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder.path, ignore_errors=True)
        shutil.move(source, folder.path)
        folder.put()


def _add(writer: Writer, name: str, open_it: Callable[[], Any], path: Path | None = None) -> bool:
    """Whether the file was still there."""
    for attempt in range(_TRIES):
        with spool() as content:
            try:
                before = path.stat() if path else None
                with open_it() as file:
                    copy(file, content)
                after = path.stat() if path else None
            except FileNotFoundError:
                return False
            changed = (
                before is not None
                and after is not None
                and (before.st_ino, before.st_size, before.st_mtime_ns)
                != (after.st_ino, after.st_size, after.st_mtime_ns)
            )
            if changed and attempt < _TRIES - 1:
                continue
            writer.add(name, content, mtime=after.st_mtime if after else 0.0)
            return True
    raise AssertionError("the last try always returns")


def _stored(folder: str) -> Iterator[str]:
    """The name of every file in the storage."""
    try:
        inner, files = default_storage.listdir(folder)
    except FileNotFoundError:  # nothing was ever stored, or the folder went just now
        return
    for name in sorted(files):
        yield f"{folder}/{name}" if folder else name
    for name in sorted(inner):
        if folder or name not in _PASSING:
            yield from _stored(f"{folder}/{name}" if folder else name)


def _below(folder: Path) -> Iterator[Path]:
    """Files and empty folders. Links are none of ours, and what ends in .part is being written."""
    for place, inner, names in os.walk(folder):
        if Path(place) == settings.FOLDERS:
            inner[:] = [name for name in inner if name not in _COPIES]
        inner.sort()
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file() and not path.is_symlink() and path.suffix != ".part":
                yield path
        if not inner and not names and Path(place) != folder:
            yield Path(place)


def _remove_empty(folder: Path) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder:
            with suppress(OSError):  # not empty: links
                Path(place).rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
