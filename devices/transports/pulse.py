"""Whether a process still does anything: one that is stopped or stuck uses no processor time.

Seen from outside, so that the process needs no thread that would disturb what it measures.
"""

from __future__ import annotations

import time
from contextlib import suppress

import psutil


class Pulse:
    """Of a process and what it started; to be asked every few seconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._own = self._others = -1.0  # seconds of processor time when last asked
        self._moved = time.monotonic()

    def idle_s(self) -> float:
        """Seconds since it was last seen to have used the processor."""
        now = time.monotonic()
        try:
            process = psutil.Process(self._pid)
            own = sum(process.cpu_times()[:4])  # its own, and that of children that ended
            # Looking for children costs milliseconds of a machine that measures: only if need be.
            others = self._others if own != self._own else _used(process.children(recursive=True))
        except psutil.NoSuchProcess:
            return now - self._moved
        if (own, others) != (self._own, self._others):
            self._own, self._others, self._moved = own, others, now
        return now - self._moved


def _used(processes: list[psutil.Process]) -> float:
    seconds = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:2])
    return seconds
