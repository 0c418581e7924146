"""Who runs a job: a process, named so that its death can be told from another's life."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_STATE, _START = 0, 19  # of what follows the name in /proc/<pid>/stat
_DEAD = {"Z", "X"}


def this_process() -> str:
    """``host:pid:start`` of the calling process."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_stat(pid)[_START]}"


def is_here(worker: str) -> bool:
    """Whether ``worker`` names a process of this machine."""
    return worker.split(":")[0] == socket.gethostname()


def is_alive(worker: str) -> bool:
    """Whether the process of this machine that ``worker`` names still runs."""
    _, pid, start = worker.split(":")
    try:
        stat = _stat(int(pid))
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The start tells a process from a later one with the same number. It counts ticks since the
    # machine's own start, so that setting the clock changes nothing.
    return stat[_START] == start and stat[_STATE] not in _DEAD


def _stat(pid: int) -> list[str]:
    """The fields after the process's name, which may itself hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
