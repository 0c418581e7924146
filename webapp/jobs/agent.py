"""The agent of a host: keeps its workers running, follows the pool, and sweeps.

One child process a worker: ``manage.py worker QUEUE``. A dead child is started again, later each
time it dies quickly; a queue that left service loses its worker once that one is done.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django import db
from django.conf import settings
from redis.exceptions import RedisError

from webapp.jobs import services

log = logging.getLogger(__name__)

_QUICK_S = 30.0  # a worker that lived longer than this did not die of its start
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_WARM_S, _COLD_S = 2.0, 5.0  # a busy worker is asked twice, then killed
_TICK_S = 0.5


@dataclass
class Child:
    """One worker of ``queue`` (or of several, apart by spaces), and when it may start again."""

    queue: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = _FIRST_WAIT_S
    not_before: float = 0.0
    leaving: bool = False

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        manage = str(settings.BASE_DIR / "manage.py")
        command = [
            sys.executable,
            manage,
            "worker",
            *self.queue.split(),
            "--parent",
            str(os.getpid()),
        ]
        self.process = subprocess.Popen(command)
        self.started = time.monotonic()

    def note_death(self) -> None:
        """Give the next start its date: soon, unless it keeps dying young."""
        assert self.process is not None
        log.warning("worker of %s ended with code %s", self.queue, self.process.returncode)
        young = time.monotonic() - self.started < _QUICK_S
        self.wait = min(self.wait * 2, _LONGEST_WAIT_S) if young else _FIRST_WAIT_S
        self.not_before = time.monotonic() + self.wait
        self.process = None

    def ask_to_leave(self) -> None:
        if self.process is not None and self.is_running():
            self.process.terminate()


@dataclass
class Agent:
    """``wanted()`` names the queues to serve now: one worker a name, "a b" for one of both."""

    wanted: Callable[[], list[str]]
    chores: Callable[[], None]
    refresh_s: float = 3.0
    children: list[Child] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> None:
        """Until :meth:`stop`; then end every child."""
        last = -self.refresh_s
        try:
            while not self.stopping:
                if time.monotonic() - last >= self.refresh_s:
                    last = time.monotonic()
                    self._refresh()
                self._tend()
                time.sleep(_TICK_S)
        finally:
            self._end_all()

    def stop(self, *_: object) -> None:
        """Also a signal handler."""
        self.stopping = True

    def _refresh(self) -> None:
        try:
            db.close_old_connections()
            self.follow(self.wanted())
            self.chores()
            services.sweep()
        except (db.Error, RedisError) as error:
            log.warning("agent: %s; trying again", error)

    def follow(self, queues: list[str]) -> None:
        """Start to serve what is new, let go of what is not wanted any more."""
        wanted = Counter(queues)
        serving = Counter(child.queue for child in self.children if not child.leaving)
        for queue in wanted - serving:
            for _ in range((wanted - serving)[queue]):
                self.children.append(Child(queue))
        for queue, surplus in (serving - wanted).items():
            for child in [c for c in self.children if c.queue == queue and not c.leaving][:surplus]:
                child.leaving = True
                child.ask_to_leave()

    def _tend(self) -> None:
        for child in list(self.children):
            if child.is_running():
                continue
            if child.leaving or self.stopping:
                self.children.remove(child)
                continue
            if child.process is not None:
                child.note_death()
            if time.monotonic() >= child.not_before:
                child.start()

    def _end_all(self) -> None:
        """Ask, ask again (rq then ends its work horse), kill. Jobs cut short run again later."""
        for pause in (_WARM_S, _COLD_S):
            for child in self.children:
                child.ask_to_leave()
            self._wait(pause)
        for child in self.children:
            if child.process is not None and child.is_running():
                child.process.kill()
                child.process.wait()
        self._resume_later()

    def _resume_later(self) -> None:
        try:
            services.resume_later()
        except (db.Error, RedisError) as error:
            log.warning("agent: %s; the next agent finds what was cut short", error)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(child.is_running() for child in self.children):
            time.sleep(0.05)
