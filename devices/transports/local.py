"""A device on this machine: each job is a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from pydantic import ValidationError

import devices
from devices import hostlock, targets
from devices.errors import BadRequest, DeviceError, MeasurementFailed, Unsupported
from devices.protocol import MeasureJob, MeasureResult

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]
_POLL_S = 0.1
_LAST_LINES = 20
_ERRORS: dict[str, type[DeviceError]] = {
    "BadRequest": BadRequest,
    "Unsupported": Unsupported,
    "MeasurementFailed": MeasurementFailed,
}


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
    lock = hostlock.measuring(while_waiting=lambda: _check(stop)) if measured else nullcontext()
    with lock, tempfile.TemporaryDirectory(prefix="actnas-local-") as folder:
        _check(stop)
        job_file, result_file = Path(folder) / "job.json", Path(folder) / "result.json"
        job_file.write_text(job.model_dump_json())
        device = _Device(job_file, result_file, progress)
        try:
            status = device.wait(timeout_s, stop)
        finally:
            device.kill()
        if status != 0:
            raise device.error(status)
        return _result(result_file, job)


def _check(stop: Cancelled) -> None:
    if stop():
        raise MeasurementFailed("the measurement was cancelled")


class _Device:
    """The process, in a group of its own so that nothing it starts outlives it."""

    def __init__(self, job: Path, result: Path, progress: Progress | None) -> None:
        self._progress = progress or (lambda share, text: None)
        self._said: SimpleQueue[tuple[float, str]] = SimpleQueue()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
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
            self._deliver()
            try:
                status = self._process.wait(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                _check(stop)
                if time.monotonic() > deadline:
                    raise MeasurementFailed(
                        f"no result within {timeout_s:g} s; the device process was ended"
                    ) from None
            else:
                self._reader.join(timeout=5)
                self._deliver()
                return status

    def _deliver(self) -> None:
        """Progress goes out on the caller's thread: what it raises ends the job."""
        while not self._said.empty():  # this thread alone takes from it
            self._progress(*self._said.get())

    def kill(self) -> None:
        """Ends the whole process group, also after a normal end: helpers may be left."""
        with suppress(ProcessLookupError):  # the usual case: all of the group has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=5)

    def error(self, status: int) -> DeviceError:
        """What an exit status other than 0 means."""
        lines = list(self._lines)
        for line in reversed(lines):
            document = _json(line)
            if "error" in document:
                kind = _ERRORS.get(str(document.get("kind")), MeasurementFailed)
                return kind(str(document["error"]))
        if status == -signal.SIGKILL:
            return MeasurementFailed("the device process was killed: most likely out of memory")
        if status < 0:
            return MeasurementFailed(f"the device process crashed: {signal.Signals(-status).name}")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return MeasurementFailed(f"the device process ended with status {status}: {said[:300]}")

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace")
                document = _json(line)
                share = document.get("progress")
                if isinstance(share, int | float):
                    self._said.put((float(share), str(document.get("text", ""))))
                else:
                    self._lines.append(line)


def _json(line: str) -> dict[str, object]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}  # not ours: a warning of some library
    return document if isinstance(document, dict) else {}


def _result(path: Path, job: MeasureJob) -> MeasureResult:
    try:
        result = MeasureResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise MeasurementFailed(f"the device process left no valid result: {reason}") from None
    target = targets.get(job.target)
    if (result.job_id, result.target, result.kind) != (job.id, job.target, target.kind):
        raise MeasurementFailed(
            f"the result is {result.kind} {result.target} of job {result.job_id!r}; "
            f"expected {target.kind} {job.target} of job {job.id!r}"
        )
    if {arm.name for arm in result.arms} != {arm.name for arm in job.arms}:
        raise MeasurementFailed("the result's arms are not those of the job")
    return result
