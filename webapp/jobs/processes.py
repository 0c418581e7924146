"""Who runs a job: a process, named so that its death can be told from another's life."""

from __future__ import annotations

import os
import signal
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


def kill(worker: str) -> None:
    """End the process of this machine that ``worker`` names, and the group that it leads.

    Raises:
        PermissionError: it is another user's.
    """
    if not is_alive(worker):
        return
    pid = int(worker.split(":")[1])
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended meanwhile


def _stat(pid: int) -> list[str]:
    """The fields after the process's name, which may itself hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
