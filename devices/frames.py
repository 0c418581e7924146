"""How a job travels into a container and its result out: frames over one pair of byte streams.

A frame is one line of JSON, ``{"frame": KIND, "bytes": N, ...}``, and N bytes after it. Outwards:
``hello`` (who is there, and what holds it), then ``result``. Inwards: a ``file`` for each content
that the job names, then ``job``. Progress and errors are JSON lines on stderr, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO, Final

INBOX: Final = "/tmp/inbox"  # where files lie inside, called by their sha256
MAX_RESULT_BYTES: Final = 256 << 20
_MAX_LINE = 64 << 10
_CHUNK = 1 << 20

Read = Callable[[int], bytes]  # exactly so many bytes, or fewer at the end
Write = Callable[[bytes], object]


class NoFrame(Exception):
    """What came is no frame, and begins so; ``ended``: the stream was over before a whole one."""

    def __init__(self, came: bytes, *, ended: bool) -> None:
        super().__init__(repr(" ".join(came.decode(errors="replace").split())[:200]))
        self.ended = ended


def head(kind: str, size: int, **fields: Any) -> bytes:
    """The first line of a frame."""
    return json.dumps({"frame": kind, "bytes": size, **fields}).encode() + b"\n"


def receive(read: Read) -> dict[str, Any]:
    """The first line of the next frame; its bytes are still to be read.

    Raises:
        NoFrame: the stream ends, or holds something else.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = read(1)
        if not byte or len(line) >= _MAX_LINE:
            raise NoFrame(line, ended=not byte)
        line += byte
    try:
        found = json.loads(line)
        kind, size = found["frame"], found["bytes"]
        if isinstance(kind, str) and isinstance(size, int) and size >= 0:
            return found
    except (ValueError, TypeError, KeyError):
        pass
    raise NoFrame(line, ended=False)


def body(read: Read, size: int) -> bytes:
    """The bytes of a frame.

    Raises:
        NoFrame: the stream ends before.
    """
    content = read(size)
    if len(content) < size:
        raise NoFrame(content[:200], ended=True)
    return content


def save(read: Read, size: int, out: BinaryIO) -> None:
    """The bytes of a frame, into a file, piece by piece.

    Raises:
        NoFrame: the stream ends before.
    """
    while size:
        piece = body(read, min(size, _CHUNK))
        out.write(piece)
        size -= len(piece)


def pour(source: BinaryIO, write: Write) -> None:
    """The content of a file, piece by piece."""
    while piece := source.read(_CHUNK):
        write(piece)
