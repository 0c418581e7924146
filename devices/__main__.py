"""``python -m devices JOB.json RESULT.json``: runs one job file; what a device process does.

With ``--stdio`` instead of files the job comes over stdin and the result goes to stdout, in frames.

Progress and a final error are JSON lines on stderr. Exit status: 0 done (the result file is whole),
2 the job cannot be run as it is, 3 the device failed. No result file is written unless it is 0.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import signal
import sys
from pathlib import Path

from devices import stdio
from devices.errors import (
    BadRequest,
    DeviceError,
    MeasurementFailed,
    OutOfMemory,
    Unsupported,
)
from devices.files import atomic
from devices.protocol import MeasureJob, MeasureResult, read_job
from devices.run import run

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Runs the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m devices", description="Run a measurement job.")
    parser.add_argument("job", type=Path, nargs="?", help="JSON file of a job (MeasureJob)")
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write (MeasureResult)")
    parser.add_argument("--stdio", action="store_true", help="one job over stdin and stdout")
    parser.add_argument(
        "--parent", type=int, help="process id to live with: end when that process ends"
    )
    options = parser.parse_args(arguments)
    if options.stdio == bool(options.result):
        parser.error("give a job file and a result file, or --stdio")
    try:
        if options.parent is not None:
            _die_with(options.parent)
        if options.stdio:
            stdio.serve(_run)
            return 0
        result = _run(_read(options.job))
        with atomic(options.result) as part:
            part.write_text(result.model_dump_json())
    except (BadRequest, Unsupported) as error:
        return _fail(error, status=2)
    except DeviceError as error:
        return _fail(error, status=3)
    except MemoryError:
        return _fail(OutOfMemory("the device process ran out of memory"), status=3)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(OutOfMemory("the device has no room left for the job's files"), status=3)
    return 0


def _run(job: MeasureJob) -> MeasureResult:
    return run(job, progress=_report)


def _read(path: Path) -> MeasureJob:
    try:
        text = path.read_text()
    except OSError as error:
        raise BadRequest(f"job file {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"job file {path.name!r}: {error}") from None
    return read_job(text)


def _die_with(parent: int) -> None:
    """A transport that is killed outright must not leave its device process behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise MeasurementFailed("the process that started this job is gone")


def _report(share: float, text: str) -> None:
    print(json.dumps({"progress": round(share, 4), "text": text}), file=sys.stderr, flush=True)


def _fail(error: DeviceError, *, status: int) -> int:
    line = {"error": " ".join(str(error).split()), "kind": type(error).__name__}
    print(json.dumps(line), file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
