"""Python imports this by itself at its start: makes device processes of the fault tests' site sick.

The file ``$ACTNAS_SICK`` says how, ``ILLNESS TIMES``; each device process that falls ill counts it
down. Every other process, and all of them without that file, are as healthy as ever. Device
processes that measure also testify in the file ``$ACTNAS_WITNESS`` whether they did so alone.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import resource
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import SupportsIndex

_AFTER_S = 1.0  # Python, numpy and a runtime are being loaded then
_LEFT = 160 * 2**20  # bytes: enough to import numpy and onnx, too few to measure with
_LINGER_S = 0.6
_DYING_S = 1.0


def _hang() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _starve() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _LEFT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _babble() -> None:
    """On both streams: bytes that are no text, endless lines, progress that is no number."""
    noise = os.urandom(2**20)
    lines = b'{"progress": NaN, "text": "a\\u0000b\\ud800"}\n{"progress": 1e999}\n' + b"[" * 10**5
    for stream in (1, 2):
        for text in (noise, lines, b"\n", noise, b"\n"):
            os.write(stream, text)


def _lie() -> None:
    """The result is overwritten after all was done."""
    atexit.register(lambda: Path(sys.orig_argv[4]).write_bytes(os.urandom(4096)))


def _hold() -> None:
    """Busy until the file "held" beside the order is gone; not longer than who started it lives."""
    gate, parent = Path(os.environ["ACTNAS_SICK"]).with_name("held"), os.getppid()
    while gate.exists() and os.getppid() == parent:
        hashlib.sha256(bytes(2**20))
        time.sleep(0.01)


def _testify() -> None:
    """One line a process; the lock is held until it ends, however it ends."""
    place = os.environ.get("ACTNAS_WITNESS", "/nonexistent")
    measures = sys.orig_argv[1:3] == ["-m", "devices"] and os.path.exists(place)
    if not measures or '"target":"cpu-' not in Path(sys.orig_argv[3]).read_text():
        return
    lock, end = os.open(place, os.O_WRONLY | os.O_APPEND), time.monotonic() + _DYING_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:  # one whose parent was killed may just be on its way out
                time.sleep(0.01)
                continue
            os.write(lock, b"beside another\n")
            return
        os.write(lock, b"alone\n")
        return


_ILLNESSES = {
    "hold": _hold,
    "hang": lambda: threading.Timer(_AFTER_S, _hang).start(),
    "starve": _starve,
    "babble": _babble,
    "lie": _lie,
}


def _fall_ill() -> None:
    order = Path(os.environ.get("ACTNAS_SICK", "/nonexistent"))
    if sys.orig_argv[1:3] != ["-m", "devices"] or not order.exists():
        return
    illness, times = order.read_text().split()
    if int(times) > 1:
        order.write_text(f"{illness} {int(times) - 1}")
    else:
        order.unlink()
    _ILLNESSES[illness]()


def _linger() -> None:
    """Stages that end at once could not be struck while they run."""
    order = os.environ.get("ACTNAS_LINGER", "/nonexistent")

    def wait(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and Path(str(arguments[1])).match("stages/*.json"):
            time.sleep(_LINGER_S if os.path.exists(order) else 0)

    sys.addaudithook(wait)


def _sleep_otherwise() -> None:
    """libfaketime 0.9.10 gives the system call behind time.sleep a time that it refuses."""

    def sleep(seconds: SupportsIndex | float) -> None:
        select.select([], [], [], float(seconds))

    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = sleep


_sleep_otherwise()
_testify()
_fall_ill()
_linger()
