"""What a confined process does with an upload: read it, and say what it found, a line at a time.

Lines are JSON objects: ``confined`` (once), ``progress``, then one of ``facts`` (a document of
engine.uploads), ``refused`` (a sentence for the user) or ``broken`` (a traceback, for us).
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict

from devices.errors import BadRequest, Unsupported, causes
from engine import uploads
from engine.errors import UserError
from engine.sandbox.confine import Limits, confine

__all__ = ["INPUT", "OUTPUT", "PICTURES", "Request", "needs_memory", "run"]

_NO_MEMORY = re.compile(
    r"bad_alloc|(can't|cannot|unable to) allocate|(out of|enough) memory|create a primitive", re.I
)
INPUT, WORK, OUTPUT, PICTURES = "in", "tmp", "tmp/out", "tmp/pictures"


class Request(BaseModel):
    """Check the upload ``in/<file>`` of the folder ``box``, of that kind, within the limits."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["model", "data-set"]
    box: Path
    file: str
    limits: Limits = Limits()
    confined: bool = False  # by a container around this process


def run(request: Request, out: IO[str]) -> None:
    """Confine this process, do what is asked, write the lines to ``out``."""

    def say(**line: Any) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    try:
        into, work = request.box / INPUT, request.box / WORK
        held = confine(read=into, write=work, limits=request.limits, container=request.confined)
        say(confined=asdict(held))
        os.environ["TMPDIR"] = tempfile.tempdir = str(request.box / WORK)
        say(facts=_facts(request).model_dump(mode="json"))
    except (UserError, BadRequest, Unsupported) as error:
        say(refused=_too_little(error, request) or str(error))
    except Exception as error:  # the reader must hear of it, whatever it was
        spent = _too_little(error, request)
        if spent is None:
            say(broken="".join(traceback.format_exception(error)))
            raise
        say(refused=spent)


def _facts(request: Request) -> BaseModel:
    path = request.box / INPUT / request.file
    if request.kind == "model":
        return uploads.model(path)
    return uploads.data_set(path, request.box / OUTPUT, request.box / PICTURES)


def _too_little(error: BaseException, request: Request) -> str | None:
    """What to say if ``error`` comes from the limit of memory, or of a container's files."""
    for cause in causes(error):
        if isinstance(cause, MemoryError) or _NO_MEMORY.search(str(cause)):
            return needs_memory(request)
        full = isinstance(cause, OSError) and cause.errno == errno.ENOSPC
        if full and request.confined:  # else the machine's own disk is full, which is our fault
            room = os.statvfs(request.box / WORK)
            most = room.f_blocks * room.f_frsize // 2**20
            return f"{request.file} needs more than {most} MiB of room to be unpacked and checked"
    return None


def needs_memory(request: Request) -> str:
    """What is said of an upload that takes too much of it."""
    most = request.limits.memory_mib
    return f"{request.file} needs more than {most} MiB of memory to be checked"
