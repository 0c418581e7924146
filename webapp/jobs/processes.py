"""Who runs a job: a process, named so that its death can be told from another's life."""

from __future__ import annotations

import os
import socket

import psutil


def _identity(process: psutil.Process) -> str:
    # The start time tells a process from a later one with the same number.
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def this_process() -> str:
    """``host:pid:start`` of the calling process."""
    return _identity(psutil.Process(os.getpid()))


def is_here(worker: str) -> bool:
    """Whether ``worker`` names a process of this machine."""
    return worker.split(":")[0] == socket.gethostname()


def is_alive(worker: str) -> bool:
    """Whether the process of this machine that ``worker`` names still runs."""
    try:
        process = psutil.Process(int(worker.split(":")[1]))
        return _identity(process) == worker and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, IndexError, ValueError):
        return False
