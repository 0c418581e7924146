"""A device on this machine: each job is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO

import devices
from devices import hostlock, targets
from devices.errors import DeviceError, NotAResult, TimedOut
from devices.protocol import MeasureJob, MeasureResult
from devices.transports.outcome import (
    LINE_BYTES,
    Cancelled,
    Progress,
    Said,
    check,
    checked,
)
from devices.transports.pulse import Pulse

STALL_S = 60.0
_POLL_S = 0.1
_PULSE_S = 5.0


def run(
    job: MeasureJob,
    *,
    timeout_s: float,
    stall_s: float = STALL_S,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> MeasureResult:
    """Runs ``job`` in ``python -m devices``, alone on this host if its target is measured.

    ``timeout_s`` counts from the start of the process, not from the wait for the host. A process
    that has used no processor time for ``stall_s`` is ended: it hangs. What it prints beside its
    progress is logged here, line by line.
    ``cancelled`` is asked several times a second, while waiting too. ``progress`` is called on this
    thread with a share within 0..1 and a line; an error that it raises ends the device and passes.

    Raises:
        BadRequest, Unsupported: as the device said.
        MeasurementFailed: time-out, hung, cancelled, crash, out of memory, no valid result, or one
            of another protocol; one line.
    """
    stop = cancelled or (lambda: False)
    measured = targets.get(job.target).kind == "measured"
    lock = hostlock.measuring(while_waiting=lambda: check(stop)) if measured else nullcontext()
    with lock, tempfile.TemporaryDirectory(prefix="actnas-local-") as folder:
        check(stop)
        job_file, result_file = Path(folder) / "job.json", Path(folder) / "result.json"
        job_file.write_text(job.model_dump_json())
        device = _Device(job_file, result_file, Said(progress))
        try:
            status = device.wait(timeout_s, stall_s, stop)
        finally:
            device.kill()
        if status != 0:
            raise device.error(status)
        return checked(_content(result_file), job)


class _Device:
    """The process, in a group of its own so that nothing it starts outlives it."""

    def __init__(self, job: Path, result: Path, said: Said) -> None:
        self._said = said
        root = str(Path(devices.__file__).parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "devices", str(job), str(result), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), daemon=True
        )
        self._reader.start()

    def wait(self, timeout_s: float, stall_s: float, stop: Cancelled) -> int:
        now = time.monotonic()
        deadline, look = now + timeout_s, now
        pulse, every = Pulse(self._process.pid), min(_PULSE_S, stall_s / 4)
        while True:
            self._said.deliver()
            try:
                status = self._process.wait(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                check(stop)
                now = time.monotonic()
                if now > deadline:
                    raise TimedOut(
                        f"no result within {timeout_s:g} s; the device process was ended"
                    ) from None
                if now >= look:
                    look = now + every
                    self._check_pulse(pulse.idle_s(), stall_s)
            else:
                self._reader.join(timeout=5)
                self._said.deliver()
                return status

    def _check_pulse(self, idle: float, stall_s: float) -> None:
        if idle >= stall_s:
            raise TimedOut(
                f"the device process hung: it did nothing for {idle:.0f} s and was ended"
            )
        if idle >= stall_s / 2:
            self._said.tell(f"the device process has done nothing for {idle:.0f} s")

    def kill(self) -> None:
        """Ends the whole process group, also after a normal end: helpers may be left."""
        with suppress(ProcessLookupError):  # the usual case: all of the group has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=5)

    def error(self, status: int) -> DeviceError:
        """What an exit status other than 0 means."""
        return self._said.error() or self._said.ended(status)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while raw := stream.readline(LINE_BYTES):
                self._said.hear(raw)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotAResult(f"the device process left no result: {error.strerror}") from None
