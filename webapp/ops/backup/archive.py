"""The file of a backup: a compressed tar whose members carry their sha256.

``backup.json`` comes first and says what it is, ``end.json`` comes last and says that it is whole:
how many members there are, and a sha256 over their names and hashes. Both ways are streamed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any

FORMAT = "actnas.backup/1"
SUFFIXES = (".tar.zst", ".tar.gz")
TOPS = ("database", "storage", "work", "artefacts", "secret_key")  # what may be in it
_HEAD, _END = "backup.json", "end.json"
_SHA256 = "ACTNAS.sha256"  # a header of pax: tar knows no checksum of contents
_BUFFER = 2**20
_IN_MEMORY = 16 * 2**20
_LONGEST_DOCUMENT = 2**20


class BackupError(Exception):
    """It cannot be done; one line."""


def spool() -> SpooledTemporaryFile[bytes]:
    """A temporary file that small contents never reach the disk for."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


class Writer:
    """Adds members to an archive; :func:`writing` opens one."""

    def __init__(self, head: dict[str, Any], stream: IO[bytes]) -> None:
        self.members = 0
        self.size = 0  # bytes of content
        self._all = hashlib.sha256()
        self._tar = tarfile.open(  # noqa: SIM115 (closed by finish)
            fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BUFFER
        )
        self._document(_HEAD, {"format": FORMAT, **head})

    def add(self, name: str, content: IO[bytes], *, mtime: float = 0.0) -> None:
        """A file with everything that is in ``content``."""
        content.seek(0)
        digest = hashlib.sha256()
        size = 0
        while chunk := content.read(_BUFFER):
            digest.update(chunk)
            size += len(chunk)
        content.seek(0)
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size, mtime  # type: ignore[assignment]  # pax keeps fractions
        info.pax_headers = {_SHA256: digest.hexdigest()}
        self._tar.addfile(info, content)
        self._tar.members.clear()  # type: ignore[attr-defined]  # it remembers all
        self.members += 1
        self.size += size
        self._all.update(_line(name, digest.hexdigest()))

    def add_folder(self, name: str) -> None:
        """An empty folder."""
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        self._tar.addfile(info)
        self.members += 1
        self._all.update(_line(name, ""))

    def finish(self) -> None:
        self._document(_END, {"members": self.members, "sha256": self._all.hexdigest()})
        self._tar.close()

    def _document(self, name: str, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        info = tarfile.TarInfo(name)
        info.size = len(data)
        with spool() as content:
            content.write(data)
            content.seek(0)
            self._tar.addfile(info, content)


class Reader:
    """Reads an archive once, from its start; :func:`reading` opens one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 (goes with its stream)
            fileobj=stream, mode="r|", bufsize=_BUFFER
        )
        first = self._tar.next()
        if first is None or first.name != _HEAD:
            raise BackupError("is no backup of this site: it does not start with backup.json")
        self.head = self._document(first)
        if self.head.get("format") != FORMAT:
            said = self.head.get("format")
            raise BackupError(f"has the format {said!r}; this version reads {FORMAT!r}")

    def unpack(self, into: Path) -> None:
        """Every member below ``into``, each compared with its sha256, all with the end's count.

        Raises:
            BackupError: something is missing, differs, or has no place in a backup.
        """
        everything = hashlib.sha256()
        members = 0
        while (info := self._tar.next()) is not None:
            self._tar.members.clear()  # type: ignore[attr-defined]  # it remembers all
            if info.name == _END:
                end = self._document(info)
                if end != {"members": members, "sha256": everything.hexdigest()}:
                    raise BackupError("is damaged: members are missing, or were added")
                return
            everything.update(_line(info.name, self._unpack(info, into)))
            members += 1
        raise BackupError("is not complete: its end is missing")

    def _unpack(self, info: tarfile.TarInfo, into: Path) -> str:
        path = PurePosixPath(info.name)
        if path.is_absolute() or ".." in path.parts or path.parts[0] not in TOPS:
            raise BackupError(f"holds {info.name!r}, which has no place in a backup")
        if not (info.isreg() or info.isdir()):
            raise BackupError(f"holds {info.name!r}, which is neither a file nor a folder")
        target = into / path
        if target.exists():
            raise BackupError(f"holds {info.name!r} twice")
        self._tar.extract(info, into, filter="data")
        if info.isdir():
            return ""
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != info.pax_headers.get(_SHA256):
            raise BackupError(f"is damaged: {info.name!r} is not what was put in")
        return digest

    def _document(self, info: tarfile.TarInfo) -> dict[str, Any]:
        content = self._tar.extractfile(info) if info.size <= _LONGEST_DOCUMENT else None
        document = json.loads(content.read()) if content is not None else None
        if not isinstance(document, dict):
            raise BackupError(f"is damaged: {info.name} is no document")
        return document


def _line(name: str, digest: str) -> bytes:
    return f"{name}\0{digest}\n".encode()


def check_name(path: Path) -> None:
    """Raises:
    BackupError: the name does not say how it is compressed.
    """
    if not path.name.endswith(SUFFIXES):
        raise BackupError(f"{path}: the name must end with {' or '.join(SUFFIXES)}")


@contextmanager
def writing(path: Path, stream: IO[bytes], head: dict[str, Any]) -> Iterator[Writer]:
    """A writer into ``stream``, compressed as ``path`` is named; whole when it ends well."""
    with _compressing(path, stream) as compressed:
        writer = Writer(head, compressed)
        yield writer
        writer.finish()


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """A reader of the archive at ``path``.

    Raises:
        BackupError: there is no such file, or it is damaged, or foreign; also from the block.
    """
    check_name(path)
    try:
        with path.open("rb") as raw, _decompressing(path, raw) as stream:
            yield Reader(stream)
    except BackupError as error:
        raise BackupError(f"{path.name} {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise BackupError(f"{path.name} is damaged or no backup: {_first_line(error)}") from error
    except OSError as error:
        if error.errno is None:  # a decompressor's word for data that it does not understand
            text = f"{path.name} is damaged or no backup: {_first_line(error)}"
        else:
            text = f"{error.filename or path.name}: {error.strerror}"
        raise BackupError(text) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def _compressing(path: Path, stream: IO[bytes]) -> Iterator[IO[bytes]]:
    if path.name.endswith(".gz"):
        with gzip.open(stream, "wb", compresslevel=6) as compressed:
            yield compressed  # type: ignore[misc]
        return
    import pyarrow as pa  # brings zstd along, which Python itself does not have yet

    with pa.CompressedOutputStream(stream, "zstd") as compressed:
        yield compressed


@contextmanager
def _decompressing(path: Path, stream: IO[bytes]) -> Iterator[IO[bytes]]:
    if path.name.endswith(".gz"):
        with gzip.open(stream, "rb") as plain:
            yield plain  # type: ignore[misc]
        return
    import pyarrow as pa

    with pa.CompressedInputStream(stream, "zstd") as plain:
        yield plain


def copy(source: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target, _BUFFER)
