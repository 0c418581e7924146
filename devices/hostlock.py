"""One measurement at a time on this host, and no training of ours beside it.

Two lock files: the *turnstile*, which a measurement keeps as long as it waits or runs, and the
*host*, which a measurement holds alone and trainers share. ``flock`` frees both when a process
dies, however it dies. The folder is ACTNAS_HOST_LOCKS, else actnas-host-<uid> in the temporary
folder.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.05
_TURNSTILE, _HOST = "turnstile.lock", "host.lock"
Waiting = Callable[[], None]


class _Shares(threading.local):
    """The host lock that this thread shares while it trains, if it does."""

    fd: int | None = None


_shares = _Shares()


@contextmanager
def measuring(*, while_waiting: Waiting | None = None) -> Iterator[None]:
    """Holds this host alone. Waits for other measurements, and for trainers to reach a pause point.

    ``while_waiting`` is called a few times a second meanwhile; what it raises ends the wait. A
    thread that itself trains gives its share up for as long.
    """
    trains = _shares.fd is not None
    if trains:
        _leave()
    try:
        with _locked(_TURNSTILE, fcntl.LOCK_EX, while_waiting):
            with _locked(_HOST, fcntl.LOCK_EX, while_waiting):
                yield
    finally:
        if trains:
            _enter(None)


@contextmanager
def yielding(*, while_waiting: Waiting | None = None) -> Iterator[None]:
    """Around a training: measurements wait for its pause points, and it waits for measurements.

    Raises:
        RuntimeError: this thread is inside another ``yielding`` already.
    """
    if _shares.fd is not None:
        raise RuntimeError("yielding() inside yielding(): one a thread")
    _enter(while_waiting)
    try:
        yield
    finally:
        _leave()


def pause_point(*, while_waiting: Waiting | None = None) -> float:
    """To be called between batches: seconds spent waiting for measurements, 0 when none is about.

    Outside :func:`yielding` it waits as well, but no measurement waits for it.
    """
    fd = _open(_TURNSTILE)
    try:
        if _try(fd, fcntl.LOCK_SH):
            return 0.0
    finally:
        os.close(fd)
    start = time.monotonic()
    if _shares.fd is None:
        with _locked(_TURNSTILE, fcntl.LOCK_SH, while_waiting):
            return time.monotonic() - start
    _leave()
    _enter(while_waiting)
    return time.monotonic() - start


def _enter(while_waiting: Waiting | None) -> None:
    # Through the turnstile: a measurement that waits for the host must not be overtaken.
    with _locked(_TURNSTILE, fcntl.LOCK_SH, while_waiting):
        fd = _open(_HOST)
        try:
            _wait(fd, fcntl.LOCK_SH, while_waiting)
        except BaseException:
            os.close(fd)
            raise
        _shares.fd = fd


def _leave() -> None:
    fd, _shares.fd = _shares.fd, None
    if fd is not None:
        _release(fd)


@contextmanager
def _locked(name: str, kind: int, while_waiting: Waiting | None) -> Iterator[None]:
    fd = _open(name)
    try:
        _wait(fd, kind, while_waiting)
        yield
    finally:
        _release(fd)


def _wait(fd: int, kind: int, while_waiting: Waiting | None) -> None:
    last = time.monotonic()
    while not _try(fd, kind):
        time.sleep(_POLL_S)
        if while_waiting is not None and time.monotonic() - last >= 4 * _POLL_S:
            last = time.monotonic()
            while_waiting()


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(fd: int) -> None:
    # Unlocked by name: a forked child shares the lock, and closing our copy alone would keep it.
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def folder() -> Path:
    """Where this host's lock files lie; everybody who shares the host must name the same folder."""
    default = Path(tempfile.gettempdir()) / f"actnas-host-{os.getuid()}"
    return Path(os.environ.get("ACTNAS_HOST_LOCKS") or default)


def _open(name: str) -> int:
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(place / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
