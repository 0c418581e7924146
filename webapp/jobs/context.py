"""What a handler sees of its job while it runs, and the thread that keeps the job alive."""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TypeVar

from django import db
from django.db import connection
from django.utils import timezone

from devices.errors import DeviceNotReady
from engine.errors import Cancelled
from webapp.jobs.choices import State
from webapp.jobs.models import Job

log = logging.getLogger(__name__)

Done = TypeVar("Done")

BEAT_S = 2.0
_ASK_S = 2.0  # between two tries of what cannot be had yet
GRACE_S = 20.0  # a handler that does not stop so long after it lost its job is killed


class JobContext:
    """A running job. As a context manager it sends heartbeats from a thread of its own.

    The thread writes progress, sees that the job was cancelled or taken away, and kills the process
    when its worker has died or the handler ignores the loss.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.blocked_by: set[int] = set()  # jobs without which this one cannot go on
        self._lost = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._progress: tuple[float, str] | None = None
        self._on_beat: list[Callable[[], None]] = []
        self._parent = os.getppid()
        self._begun = time.monotonic()
        # In a copy of this thread's context: its log lines are about this job, too.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._beat,), name=f"job-{job.pk}", daemon=True
        )

    def progress(self, fraction: float, message: str = "") -> None:
        """Note how far it is (0 to 1); the next heartbeat writes it."""
        with self._lock:
            self._progress = (min(max(fraction, 0.0), 1.0), message[:300])

    def cancelled(self) -> bool:
        """Whether the job is not ours any more. Costs nothing."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raises engine.errors.Cancelled once the job is not ours any more."""
        if self.cancelled():
            raise Cancelled("the job was cancelled")

    def pause(self, seconds: float) -> None:
        """Wait; ends early with engine.errors.Cancelled once the job is not ours any more."""
        self._lost.wait(seconds)
        self.check()

    def patiently(
        self, once: Callable[[], Done], *, seconds: float, told: Callable[[DeviceNotReady], str]
    ) -> Done:
        """What ``once()`` returns. While it cannot be had this asks again, and says ``told``.

        Raises:
            devices.errors.DeviceNotReady: after ``seconds`` of that; the job is to be queued again.
            engine.errors.Cancelled: the job is not ours any more. Whatever else ``once`` raises.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                return once()
            except DeviceNotReady as error:
                message = told(error)
                if time.monotonic() > end:
                    raise
                self.progress(0.0, message)
                self.pause(_ASK_S)

    def on_beat(self, function: Callable[[], None]) -> None:
        """Call ``function`` with every heartbeat, in the heartbeat's thread."""
        self._on_beat.append(function)

    def __enter__(self) -> JobContext:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join(timeout=30)

    def _beat(self) -> None:
        lost_at: float | None = None
        try:
            while not self._done.wait(BEAT_S):
                if os.getppid() != self._parent:
                    _kill_group()  # the worker is dead: nobody could stop us or report for us
                if lost_at is not None:
                    if time.monotonic() - lost_at > GRACE_S:
                        log.error("job %s does not stop; killed", self.job.pk)
                        _kill_group()
                    continue
                try:
                    alive = self._write()
                    if alive:
                        for function in tuple(self._on_beat):
                            function()
                except db.Error as error:
                    log.warning("job %s: heartbeat not written: %s", self.job.pk, error)
                    connection.close()
                    continue
                if not alive:
                    self._lost.set()
                    lost_at = time.monotonic()
        finally:
            connection.close()

    def _write(self) -> bool:
        with self._lock:
            progress, self._progress = self._progress, None
        now = timezone.now()
        # Both by the clock as it is now: should it be set, the job is neither older nor younger.
        started = now - timedelta(seconds=time.monotonic() - self._begun)
        values: dict[str, object] = {"heartbeat": now, "started": started}
        if progress is not None:
            values["progress"], values["message"] = progress
        mine = Job.objects.filter(pk=self.job.pk, claim=self.job.claim, state=State.RUNNING)
        return mine.update(**values) == 1


def _kill_group() -> None:
    """End this work horse and the subprocesses that it started; rq gave it a group of its own."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
