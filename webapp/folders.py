"""Folders that workers of several hosts share: searches, trainings, data sets, snapshots.

Without a remote storage such a folder is simply there, below settings.FOLDERS, and every host must
see the same disk. With one (STORAGES["work"]) the storage owns the truth and each host has a copy:
:meth:`Folder.fetch` before it is read, :meth:`Folder.put` after it was written.

In the storage a folder is one object a content, named by its sha256, and ``index.json``, which says
which content lies at which path. The index is written last: others see a folder as it was or as it
is, and a killed worker leaves it as it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from webapp import copies
from webapp.ids import new_id

Item = TypeVar("Item")

_INDEX = "index.json"
RECORDS = ".copies"  # below settings.FOLDERS: what is known of each copy
_AT_ONCE = 8  # transfers; a data set is thousands of small files


class Overtaken(RuntimeError):
    """Another host wrote the folder since this one fetched it: what is here is not the latest."""


@dataclass(frozen=True)
class Content:
    """One file of a folder. ``mtime_ns`` tells the order in which files were written."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Index:
    """What a folder holds, by path within it. ``version`` is another after every change."""

    version: str = ""
    files: dict[str, Content] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Index:
        document = json.loads(text)
        files = {path: Content(**facts) for path, facts in document["files"].items()}
        return cls(document["version"], files)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def hashes(self) -> set[str]:
        return {content.sha256 for content in self.files.values()}


def remote() -> Storage | None:
    """The storage that hosts share, or None where folders are simply there."""
    return storages["work"] if "work" in settings.STORAGES else None


@dataclass(frozen=True)
class Folder:
    """The folder of that ``name`` below settings.FOLDERS, such as ``searches/ab12cd34ef56``."""

    name: str

    @property
    def path(self) -> Path:
        """Where it lies on this machine."""
        return settings.FOLDERS / self.name

    def fetch(self) -> Path:
        """Its path, holding what was put last; also what this host wrote since it put that.

        Raises:
            copies.Damaged: the storage holds something else than was put.
        """
        storage = remote()
        if storage is not None:
            with self._locked():
                there, here = self._index(storage), self._record()
                if there.version != here.version:
                    self._mirror(storage, there, here)
                    self._remember(there)
                elif there.version:
                    os.utime(self._record_path)  # still in use: see sweep
        return self.path

    def put(self) -> None:
        """Store what was written here since the last time; others see all of it or nothing.

        Raises:
            Overtaken: another host put something since this one fetched.
        """
        storage = remote()
        if storage is None:
            return
        with self._locked():
            there, here = self._index(storage), self._record()
            if there.version != here.version:
                raise Overtaken(f"folder {self.name} was changed by another host")
            files = dict(self._scan(here))
            if files == there.files:
                return
            index = Index(new_id(), files)
            new = {c.sha256: path for path, c in files.items() if c.sha256 not in there.hashes}
            _each(partial(self._upload, storage), new.items())
            storage.save(f"{self.name}/{_INDEX}", ContentFile(index.to_json().encode()))
            self._remember(index)
            for sha256 in there.hashes - index.hashes:
                storage.delete(f"{self.name}/{sha256}")

    def remove(self) -> None:
        """Remove it here and in the storage; other hosts' copies go when they are swept."""
        storage = remote()
        if storage is not None:
            with self._locked():
                storage.delete(f"{self.name}/{_INDEX}")
                for name in storage.listdir(self.name)[1]:
                    storage.delete(f"{self.name}/{name}")
                self._record_path.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def stored(self) -> dict[str, Content]:
        """Every file that the remote storage has of it, by path within the folder."""
        storage = remote()
        return {} if storage is None else self._index(storage).files

    def sizes(self, paths: Iterable[str]) -> dict[str, int]:
        """The bytes of those of the files ``paths`` that it has."""
        if remote() is not None:
            files = self.stored()
            return {path: files[path].size for path in paths if path in files}
        inside = {path: self._inside(path) for path in paths}
        return {path: found.stat().st_size for path, found in inside.items() if found is not None}

    def open(self, path: str) -> IO[bytes]:
        """One file of it, to be read and closed, without the rest.

        Raises:
            FileNotFoundError: the folder has no such file.
        """
        storage = remote()
        if storage is not None:
            content = self._index(storage).files.get(path)
            if content is None:
                raise FileNotFoundError(f"folder {self.name} has no file {path!r}")
            opened: Any = storage.open(f"{self.name}/{content.sha256}", "rb")
            return opened
        inside = self._inside(path)
        if inside is None:
            raise FileNotFoundError(f"folder {self.name} has no file {path!r}")
        return inside.open("rb")

    def copy(self, path: Path, *, sha256: str) -> Path:
        """A path on this machine to the file with that content, named like ``path``: where a host
        needs one file of a folder that another one writes."""
        storage = remote()
        if storage is None:
            return path
        opened = partial(storage.open, f"{self.name}/{sha256}", "rb")
        return copies.copy(opened, sha256=sha256, name=path.name)

    def _inside(self, path: str) -> Path | None:
        folder = self.path.resolve()
        found = (folder / path).resolve()
        return found if found.is_relative_to(folder) and found.is_file() else None

    def _index(self, storage: Storage) -> Index:
        try:
            with storage.open(f"{self.name}/{_INDEX}", "rb") as file:
                return Index.from_json(file.read())
        except FileNotFoundError:
            return Index()

    @property
    def _record_path(self) -> Path:
        return settings.FOLDERS / RECORDS / f"{self.name}.json"

    def _record(self) -> Index:
        """The index as this host knew it last."""
        try:
            return Index.from_json(self._record_path.read_text())
        except FileNotFoundError:
            return Index()

    def _remember(self, index: Index) -> None:
        part = self._record_path.with_suffix(".part")
        part.write_text(index.to_json())
        part.replace(self._record_path)

    def _scan(self, known: Index) -> Iterator[tuple[str, Content]]:
        """Every file here with its hash, which is taken only of what changed since ``known``."""
        for path in sorted(self.path.rglob("*")):
            if not _is_kept(path):
                continue
            name, stat = path.relative_to(self.path).as_posix(), path.stat()
            old = known.files.get(name)
            same = old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
            sha256 = old.sha256 if old is not None and same else copies.digest(path)
            yield name, Content(sha256, stat.st_size, stat.st_mtime_ns)

    def _upload(self, storage: Storage, item: tuple[str, str]) -> None:
        sha256, path = item
        with (self.path / path).open("rb") as file:
            storage.save(f"{self.name}/{sha256}", File(file))

    def _mirror(self, storage: Storage, there: Index, here: Index) -> None:
        """Make the copy equal to ``there``; files that are equal already stay."""
        found = dict(self._scan(here)) if self.path.is_dir() else {}
        for path in found.keys() - there.files.keys():
            (self.path / path).unlink()
        odd = {
            path: content
            for path, content in there.files.items()
            if path not in found or found[path].sha256 != content.sha256
        }
        _each(partial(self._download, storage), odd.items())
        for path, content in there.files.items():
            os.utime(self.path / path, ns=(content.mtime_ns, content.mtime_ns))

    def _download(self, storage: Storage, item: tuple[str, Content]) -> None:
        path, content = item
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise copies.Damaged(f"the index of folder {self.name} names {path!r}")
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with storage.open(f"{self.name}/{content.sha256}", "rb") as source:
            copies.write(source, target, sha256=content.sha256)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process of this machine at a time."""
        self._record_path.parent.mkdir(parents=True, exist_ok=True)
        with self._record_path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def all_names() -> list[str]:
    """Every folder in the remote storage."""
    storage = remote()
    if storage is None:
        return []
    kinds = storage.listdir("")[0]
    return [f"{kind}/{name}" for kind in sorted(kinds) for name in sorted(storage.listdir(kind)[0])]


def sweep() -> int:
    """Remove the copies that this host has neither fetched nor put since settings.COPIES_DAYS; how
    many. A job takes a day at most, so that nobody works on them."""
    if remote() is None:
        return 0
    count = copies.sweep()
    root = settings.FOLDERS / RECORDS
    for record in root.rglob("*.json"):
        folder = Folder(record.relative_to(root).with_suffix("").as_posix())
        with suppress(FileNotFoundError), folder._locked():
            if record.stat().st_mtime < time.time() - settings.COPIES_DAYS * 24 * 3600:
                shutil.rmtree(folder.path, ignore_errors=True)
                record.unlink()
                count += 1
    return count


def _is_kept(path: Path) -> bool:
    """Links are none of ours, and what is called part is being written."""
    hidden = any(part.startswith(".part-") for part in path.parts)
    return path.is_file() and not path.is_symlink() and path.suffix != ".part" and not hidden


def _each(work: Callable[[Item], None], items: Collection[Item]) -> None:
    """``work(item)`` of every item, some at a time; raises what the first one raised."""
    with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(items)))) as pool:
        for _ in pool.map(work, items):
            pass
