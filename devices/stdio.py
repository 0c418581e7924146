"""``python -m devices --stdio``: one job over the process's own streams; what a container runs.

The container has no network and no file of the host's. It says what holds it, waits for a job, and
writes the result to stdout, where nothing else may write. It ends with the stream that feeds it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from devices import HARNESS_VERSION, confinement, frames
from devices.errors import BadRequest
from devices.protocol import MeasureJob, MeasureResult, read_job

_SHA256 = re.compile(r"[0-9a-f]{64}")


def serve(run: Callable[[MeasureJob], MeasureResult]) -> None:
    """Takes one job from stdin, has ``run`` do it, and writes its result to stdout.

    Raises:
        BadRequest: what came is no job. Whatever ``run`` raises.
    """
    out = own_stdout()
    hello = confinement.read().model_dump_json().encode()
    send(out, "hello", hello, harness=HARNESS_VERSION)
    job, seconds = _job(sys.stdin.buffer)
    signal.alarm(max(1, round(seconds)))  # ends this process wherever it hangs
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    result = run(job)
    send(out, "result", result.model_dump_json().encode(), peak_mib=confinement.peak_mib())


def own_stdout() -> BinaryIO:
    """The real stdout; everybody else's goes to stderr from now on, also that of C libraries."""
    real = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return real


def send(out: BinaryIO, kind: str, content: bytes = b"", **fields: object) -> None:
    """One frame, at once."""
    out.write(frames.head(kind, len(content), **fields) + content)
    out.flush()


def _job(source: BinaryIO) -> tuple[MeasureJob, float]:
    """The job, with the files that came before it in place, and for how many seconds it may run."""
    inbox = Path(frames.INBOX)
    inbox.mkdir(exist_ok=True)
    try:
        while (head := frames.receive(source.read))["frame"] == "file":
            name = str(head["sha256"])
            if not _SHA256.fullmatch(name):
                raise BadRequest(f"a file called {name[:80]!r} came; a sha256 is expected")
            with (inbox / name).with_suffix(str(head["suffix"])).open("wb") as file:
                frames.save(source.read, head["bytes"], file)
        content = frames.body(source.read, head["bytes"])
        return read_job(content), float(head["seconds"])
    except (frames.NoFrame, KeyError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BadRequest(f"what came over stdin is no job: {first}") from None


def _end_with_stdin() -> None:
    """Who sent the job keeps the stream open as long as it lives."""
    # Not through sys.stdin: an interpreter that ends while a thread holds its lock aborts.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
