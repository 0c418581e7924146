"""What a device process says on stderr, and whether what it left is the job's result."""

from __future__ import annotations

import json
import logging
import math
import signal
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from devices import errors, targets
from devices.errors import Crashed, DeviceError, MeasurementFailed, NotAResult
from devices.protocol import MeasureJob, MeasureResult, read_result

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]
LINE_BYTES = 64 * 1024  # a longer line is to be heard in pieces
_LAST_LINES = 20
_LOGGED_LINES = 200  # of one job; whoever prints more has said enough
_SHOWN, _ERROR = 300, 1000  # characters of a line, of an error
# Python's, C++'s, the kernel's and the loader's word for it.
_OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory", "failed to map segment")


def check(stop: Cancelled) -> None:
    """Raises MeasurementFailed once the job is not wanted any more."""
    if stop():
        raise MeasurementFailed("the measurement was cancelled")


class Said:
    """The lines of a device's stderr: progress is kept for its listener, of the rest the last.

    The rest is logged, too, up to a point. Nothing of it is trusted to be text, short, or JSON.
    Lines may come on another thread than the listener's.
    """

    def __init__(self, progress: Progress | None, *, who: str = "device process") -> None:
        self._who = who
        self._listener = progress or (lambda share, text: None)
        self._waiting: SimpleQueue[tuple[float, str]] = SimpleQueue()
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._heard = 0  # lines that are no progress
        self._share = 0.0

    def hear(self, raw: bytes) -> None:
        """Takes one line, or a piece of LINE_BYTES of a longer one."""
        line = raw.decode(errors="replace")
        document = _json(line)
        if (share := _share(document.get("progress"))) is not None:
            self._waiting.put((share, _plain(str(document.get("text", "")))))
            return
        self._heard += 1
        self._lines.append(line if document else _plain(line))
        if self._heard <= _LOGGED_LINES and "error" not in document:
            log.info("%s: %s", self._who, _plain(line))

    def deliver(self) -> None:
        """Progress goes out on the caller's thread: what the listener raises ends the job."""
        while not self._waiting.empty():  # one thread alone takes from it
            self._share, text = self._waiting.get()
            self._listener(self._share, text)

    def tell(self, text: str) -> None:
        """What the transport has to say, to the same listener."""
        self._listener(self._share, text)

    def error(self) -> DeviceError | None:
        """The error that the device named itself, if it did."""
        for line in reversed(self._lines):
            document = _json(line)
            if "error" in document:
                kind = getattr(errors, str(document.get("kind")), MeasurementFailed)
                known = isinstance(kind, type) and issubclass(kind, DeviceError)
                return (kind if known else MeasurementFailed)(
                    _plain(str(document["error"]), most=_ERROR)
                )
        return None

    def ended(self, status: int) -> Crashed:
        """What a bare exit status means, 0 included; below 0: the signal that ended it."""
        if any(word in line for line in self._lines for word in _OUT_OF_MEMORY):
            return Crashed("the device process ran out of memory")
        if status == -signal.SIGKILL:
            return Crashed("the device process was killed: most likely out of memory")
        if status < 0:
            return Crashed(f"the device process crashed: {signal.Signals(-status).name}")
        lines = reversed(self._lines)
        last = next((_plain(line) for line in lines if line.strip()), "nothing")
        return Crashed(f"the device process ended with status {status}: {last}")


def checked(content: bytes, job: MeasureJob) -> MeasureResult:
    """The result in ``content``.

    Raises:
        NotAResult: it is none, or none of ``job``; WrongProtocol: the device is of another version.
    """
    result = read_result(content)
    target = targets.get(job.target)
    if (result.job_id, result.target, result.kind) != (job.id, job.target, target.kind):
        raise NotAResult(
            f"the result is {result.kind} {result.target} of job {result.job_id!r}; "
            f"expected {target.kind} {job.target} of job {job.id!r}"
        )
    if {arm.name for arm in result.arms} != {arm.name for arm in job.arms}:
        raise NotAResult("the result's arms are not those of the job")
    return result


def _plain(text: str, *, most: int = _SHOWN) -> str:
    """One line that every database and log takes, whatever the process printed."""
    start = text[: 4 * most]
    return " ".join("".join(c if c.isprintable() else " " for c in start).split())[:most]


def _share(value: object) -> float | None:
    """A share of the work, 0 to 1; None if ``value`` is no number (JSON here knows NaN)."""
    if not isinstance(value, int | float):
        return None
    try:
        return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else None
    except OverflowError:
        return None


def _json(line: str) -> dict[str, object]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}  # not ours: a warning of some library
    return document if isinstance(document, dict) else {}
