"""``python -m engine.sandbox --stdio``: one upload over the process's own streams; for containers.

The container has no network and no file of the host's. It says what holds it, takes a request and
the upload, has a child read it that is confined once more, and passes on what the child says and
writes. It never looks into the upload itself, and ends with the stream that feeds it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import BinaryIO

import devices
from devices import confinement, frames
from devices.stdio import own_stdout, send
from engine.sandbox import server
from engine.sandbox.task import INPUT, OUTPUT, PICTURES, WORK, Request

__all__ = ["serve"]

_DUMPABLE = 4  # prctl(PR_SET_DUMPABLE)
_CHUNK = 1 << 16


def serve() -> None:
    """One upload from stdin to stdout.

    Raises:
        frames.NoFrame: what comes is no upload.
    """
    out = own_stdout()
    ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)  # the child cannot get at these streams
    server.warm_up()
    send(out, "hello", confinement.read().model_dump_json().encode(), harness=devices.__version__)
    request = _take(sys.stdin.buffer)
    ended = _read(request, out)
    if request.kind == "data-set" and ended["status"] == 0:
        _give(out, request.box)
    send(out, "end")


def _take(source: BinaryIO) -> Request:
    """The request, its upload in place."""
    head = frames.receive(source.read)
    request = Request.model_validate_json(frames.body(source.read, head["bytes"]))
    signal.alarm(max(1, round(float(head["seconds"]))))  # ends this process wherever it hangs
    for folder in (INPUT, WORK):
        (request.box / folder).mkdir(parents=True)
    head = frames.receive(source.read)
    with (request.box / INPUT / Path(request.file).name).open("xb") as file:
        frames.save(source.read, head["bytes"], file)
    return request


def _read(request: Request, out: BinaryIO) -> dict[str, object]:
    """How the child that reads the upload ended; what it says goes out meanwhile."""
    ours, theirs = socket.socketpair()
    packet = request.model_dump_json().encode()
    with ours:
        child = server.start(packet, [theirs.detach()])
        sources: list[socket.socket | int] = [ours, child.handle, 0]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if 0 in ready and not os.read(0, 1):
                os._exit(1)  # who asked is gone; the child goes with this process
            if ours in ready:
                _pass_on(ours, out)
            elif child.handle in ready:
                break
        ended = server.reap(child)
        while _pass_on(ours, out):
            pass
    return ended


def _pass_on(source: socket.socket, out: BinaryIO) -> bool:
    """One piece of what the child says; False at the end."""
    chunk = source.recv(_CHUNK)
    if chunk:
        send(out, "said", chunk)
    return bool(chunk)


def _give(out: BinaryIO, box: Path) -> None:
    """What the child wrote: folders before what is in them."""
    for top in (box / OUTPUT, box / PICTURES):
        for path in [top, *sorted(top.rglob("*"))] if top.is_dir() else []:
            name, facts = str(path.relative_to(box)), path.lstat()
            if stat.S_ISDIR(facts.st_mode):
                send(out, "folder", path=name)
            elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                out.write(frames.head("file", facts.st_size, path=name))
                with path.open("rb") as file:
                    frames.pour(file, out.write)
            else:
                send(out, "odd", path=name)
    out.flush()
