"""What a device process says on stderr, and whether what it left is the job's result."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from pydantic import ValidationError

from devices import errors, targets
from devices.errors import Crashed, DeviceError, MeasurementFailed, NotAResult
from devices.protocol import MeasureJob, MeasureResult

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]
_LAST_LINES = 20


def check(stop: Cancelled) -> None:
    """Raises MeasurementFailed once the job is not wanted any more."""
    if stop():
        raise MeasurementFailed("the measurement was cancelled")


class Said:
    """The lines of a device's stderr: progress is kept for its listener, of the rest the last.

    Lines may come on another thread than the listener's.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._listener = progress or (lambda share, text: None)
        self._waiting: SimpleQueue[tuple[float, str]] = SimpleQueue()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)

    def hear(self, raw: bytes) -> None:
        """Takes one line."""
        line = raw.decode(errors="replace")
        document = _json(line)
        share = document.get("progress")
        if isinstance(share, int | float):
            self._waiting.put((float(share), str(document.get("text", ""))))
        else:
            self._lines.append(line)

    def deliver(self) -> None:
        """Progress goes out on the caller's thread: what the listener raises ends the job."""
        while not self._waiting.empty():  # one thread alone takes from it
            self._listener(*self._waiting.get())

    def error(self) -> DeviceError | None:
        """The error that the device named itself, if it did."""
        for line in reversed(self._lines):
            document = _json(line)
            if "error" in document:
                kind = getattr(errors, str(document.get("kind")), MeasurementFailed)
                known = isinstance(kind, type) and issubclass(kind, DeviceError)
                return (kind if known else MeasurementFailed)(str(document["error"]))
        return None

    def ended(self, status: int) -> Crashed:
        """What a bare exit status means, 0 included; below 0: the signal that ended it."""
        if status == -signal.SIGKILL:
            return Crashed("the device process was killed: most likely out of memory")
        if status < 0:
            return Crashed(f"the device process crashed: {signal.Signals(-status).name}")
        lines = reversed(self._lines)
        last = next((line.strip() for line in lines if line.strip()), "nothing")
        return Crashed(f"the device process ended with status {status}: {last[:300]}")


def checked(content: bytes, job: MeasureJob) -> MeasureResult:
    """The result in ``content``.

    Raises:
        NotAResult: it is none, or none of ``job``.
    """
    try:
        result = MeasureResult.model_validate_json(content)
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise NotAResult(f"the device process left no valid result: {reason}") from None
    target = targets.get(job.target)
    if (result.job_id, result.target, result.kind) != (job.id, job.target, target.kind):
        raise NotAResult(
            f"the result is {result.kind} {result.target} of job {result.job_id!r}; "
            f"expected {target.kind} {job.target} of job {job.id!r}"
        )
    if {arm.name for arm in result.arms} != {arm.name for arm in job.arms}:
        raise NotAResult("the result's arms are not those of the job")
    return result


def _json(line: str) -> dict[str, object]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}  # not ours: a warning of some library
    return document if isinstance(document, dict) else {}
