"""Zip files from strangers, unpacked without harm."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from engine.errors import BadDataSet

__all__ = ["unpack"]

MAX_ENTRIES = 500_000
MAX_BYTES = 20 * 2**30
MAX_RATIO = 200  # real images and label files shrink far less
MIN_RATIO_BYTES = 2**20  # small files of zeros are harmless
MAX_DEPTH = 12
MAX_NAME = 240
_CHUNK = 2**20
_JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db"}


def unpack(path: Path, out: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Unpack the zip file ``path`` into the existing, empty folder ``out``.

    Everything is checked before the first byte is written: names that leave the folder, links,
    repeated names, encryption, number, size and compression ratio. What a file really unpacks to
    is counted again while it is written.

    Raises:
        BadDataSet: the archive is damaged or fails a check; the message names the entry. ``out``
            may hold a part of it then.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked(archive, path.name, max_bytes)
            for entry in entries:
                _extract(archive, entry, out / entry.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadDataSet(f"{path.name} is no zip file or is damaged: {error}") from None
    except UnicodeDecodeError:  # a name that says it is UTF-8, in the directory or before the entry
        raise BadDataSet(f"{path.name} is damaged: names of its entries are not UTF-8") from None
    except NotImplementedError as error:  # a compression method that Python has not
        raise BadDataSet(f"{path.name} cannot be unpacked: {error}; use deflate") from None


def _checked(archive: zipfile.ZipFile, name: str, max_bytes: int) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if any(entry.header_offset < 0 for entry in entries):
        raise BadDataSet(f"{name} is no zip file or is damaged: its beginning is missing")
    if len(entries) > MAX_ENTRIES:
        raise BadDataSet(f"{name} holds {len(entries)} entries; at most {MAX_ENTRIES}")
    seen: set[str] = set()
    kept = []
    for entry in entries:
        shown = f"{name}: entry {entry.filename[:120]!r}"
        _check_name(entry, shown)
        _check_kind(entry, shown)
        parts = PurePosixPath(entry.filename).parts
        if entry.is_dir() or not _JUNK.isdisjoint(parts) or parts[-1].startswith("._"):
            continue
        lowered = "/".join(parts).casefold()
        if lowered in seen:
            raise BadDataSet(f"{shown} comes twice; file names must differ in more than case")
        seen.add(lowered)
        kept.append(entry)
    total = sum(entry.file_size for entry in kept)
    if total > max_bytes:
        raise BadDataSet(
            f"{name} unpacks to {total / 2**30:.1f} GiB; at most {max_bytes / 2**30:.1f}"
        )
    return kept


def _check_name(entry: zipfile.ZipInfo, shown: str) -> None:
    # zipfile cuts a name at a zero byte and turns backslashes on Windows only
    raw = entry.orig_filename
    if raw in ("", "."):
        raise BadDataSet(f"{shown} has no name; names must be plain relative paths")
    parts = raw.split("/")
    if "\0" in raw or "\\" in raw or raw.startswith("/") or ":" in parts[0] or ".." in parts:
        raise BadDataSet(f"{shown} leads out of the archive; names must be plain relative paths")
    if len(parts) > MAX_DEPTH or any(len(part.encode()) > MAX_NAME for part in parts):
        raise BadDataSet(f"{shown} is too deep or too long; at most {MAX_DEPTH} folders")


def _check_kind(entry: zipfile.ZipInfo, shown: str) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadDataSet(f"{shown} is a link or device; only files and folders are accepted")
    if entry.flag_bits & 0x1:
        raise BadDataSet(f"{shown} is encrypted; upload it without a password")
    packed = max(entry.compress_size, 1)
    if entry.file_size > MIN_RATIO_BYTES and entry.file_size / packed > MAX_RATIO:
        raise BadDataSet(
            f"{shown} unpacks to {entry.file_size / packed:.0f} times its size; at most {MAX_RATIO}"
        )


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadDataSet(f"entry {entry.filename!r} unpacks to more than it states")
            file.write(chunk)
