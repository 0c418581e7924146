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
from devices.transports.outcome import Cancelled, Progress, Said, check, checked

_POLL_S = 0.1


def run(
    job: MeasureJob,
    *,
    timeout_s: float,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> MeasureResult:
    """Runs ``job`` in ``python -m devices``, alone on this host if its target is measured.

    ``timeout_s`` counts from the start of the process, not from the wait for the host.
    ``cancelled`` is asked several times a second, while waiting too. ``progress`` is called on this
    thread with a share within 0..1 and a line; an error that it raises ends the device and passes.

    Raises:
        BadRequest, Unsupported: as the device said.
        MeasurementFailed: time-out, cancelled, crash, out of memory, or no valid result; one line.
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
            status = device.wait(timeout_s, stop)
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

    def wait(self, timeout_s: float, stop: Cancelled) -> int:
        deadline = time.monotonic() + timeout_s
        while True:
            self._said.deliver()
            try:
                status = self._process.wait(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                check(stop)
                if time.monotonic() > deadline:
                    raise TimedOut(
                        f"no result within {timeout_s:g} s; the device process was ended"
                    ) from None
            else:
                self._reader.join(timeout=5)
                self._said.deliver()
                return status

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
            for raw in stream:
                self._said.hear(raw)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotAResult(f"the device process left no result: {error.strerror}") from None
