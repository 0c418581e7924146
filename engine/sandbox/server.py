"""A warm process that has imported what reading uploads takes, and forks a child for each.

It is started without the site's environment, so that neither it nor its children hold a secret.
It listens on a socket that only who started it can reach; when that end closes, it ends.
"""

from __future__ import annotations

import codecs
import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.sandbox.task import Request, run

__all__ = ["MAX_REQUEST", "Child", "reap", "serve", "start", "warm_up"]

MAX_REQUEST = 64 * 1024
_PARENT_DEATH = 1  # prctl(PR_SET_PDEATHSIG)


@dataclass
class Child:
    """A running check, and the socket of who asked for it."""

    pid: int
    handle: int  # pidfd: readable when the process has ended
    asked: socket.socket
    begun: float
    idle_kib: int


def serve(control: socket.socket) -> None:
    """Answer requests on ``control`` until its other end is closed.

    A request is one packet: JSON of :class:`Request`, with a socket that takes the lines.
    """
    warm_up()
    children: dict[int, Child] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ, None)
        while True:
            for key, _ in selector.select():
                child = key.data
                if child is None:
                    packet, handles, _, _ = socket.recv_fds(control, MAX_REQUEST, 1)
                    if not packet:
                        for left in children.values():
                            _kill(left)
                        return
                    child = start(packet, handles)
                    children[child.pid] = child
                    selector.register(child.handle, selectors.EVENT_READ, child)
                    selector.register(child.asked, selectors.EVENT_READ, child)
                elif child.pid not in children:
                    continue  # it ended within this very round
                elif key.fileobj is child.asked:
                    selector.unregister(child.asked)  # who asked is gone or has heard enough
                    _kill(child)
                else:
                    selector.unregister(child.handle)
                    with suppress(KeyError):
                        selector.unregister(child.asked)
                    reap(children.pop(child.pid))


_TINY = "nc: 1\nbackbone: [[-1, 1, Conv, [8, 3, 2]]]\nhead: [[[0], 1, Detect, [nc]]]\n"


def warm_up() -> None:
    """Import everything: a child may not get to a Python that lies in somebody's home folder."""
    import cv2
    import torch

    from engine import data, loading, onnx_model, thumbnails, uploads, validation  # noqa: F401

    for name in ("utf-8-sig", "cp437", "utf-16", "utf-32"):
        codecs.lookup(name)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny.yaml"
        model.write_text(_TINY)
        uploads.model(model)  # what torch and ultralytics import when a net is first built
    torch.set_num_threads(1)  # a child has one thread and can start none
    cv2.setNumThreads(1)
    gc.collect()
    gc.freeze()  # children share these pages as long as nobody writes to them


def start(packet: bytes, handles: list[int]) -> Child:
    """A confined child that does the request ``packet`` and writes its lines into the socket."""
    asked = socket.socket(fileno=handles[0])
    seen, looking = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_the_child(packet, asked, seen, looking)
    os.close(seen)
    try:
        idle = _resident_kib(pid)
    finally:
        os.close(looking)
    return Child(pid, os.pidfd_open(pid), asked, time.monotonic(), idle)


def _resident_kib(pid: int) -> int:
    """What a child begins with, fewer pages than its parent has: those of files come when they are
    read."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def _be_the_child(packet: bytes, asked: socket.socket, seen: int, looking: int) -> None:
    """Does the request and ends; waits until ``seen`` is closed at its other end, ``looking``."""
    status = 1
    try:
        os.close(looking)
        os.read(seen, 1)  # one that has ended has no pages to be looked at
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        line = os.dup2(asked.fileno(), 3)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.closerange(4, 4096)  # other uploads' sockets, the way to the server
        with os.fdopen(line, "w") as out:
            run(Request.model_validate_json(packet), out)
        status = 0
    finally:
        os._exit(status)


def _kill(child: Child) -> None:
    for kill in (os.killpg, os.kill):  # it may not have a group of its own yet
        with suppress(ProcessLookupError):
            kill(child.pid, signal.SIGKILL)


def reap(child: Child) -> dict[str, Any]:
    """How a child ended, which who asked is told, too, if it still listens."""
    _, status, used = os.wait4(child.pid, 0)
    os.close(child.handle)
    ended = {
        "status": os.waitstatus_to_exitcode(status),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
        "idle_mib": round(child.idle_kib / 1024, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "seconds": round(time.monotonic() - child.begun, 3),
    }
    child.asked.settimeout(5)
    with suppress(OSError), child.asked:
        child.asked.sendall(json.dumps({"ended": ended}).encode() + b"\n")
    return ended
