"""What the Docker transport and a container pass each other: files and job in, result out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devices import HARNESS_VERSION, frames
from devices.confinement import Confinement, Limits
from devices.errors import BadRequest
from devices.protocol import File, MeasureJob
from devices.transports.conversation import Conversation


@dataclass(frozen=True)
class Answer:
    """The bytes of a result, and who gave it."""

    result: bytes
    peak_mib: int | None
    confinement: Confinement


def measure(line: Conversation[Answer], job: MeasureJob, limits: Limits, seconds: float) -> Answer:
    """Has the container do ``job``, once it has said that it is confined.

    Raises:
        See :meth:`Conversation.greet` and :meth:`Conversation.frame`. BadRequest: a file of the job
            cannot be read, or the job wants what a container cannot give.
    """
    found = line.greet(limits, speaks=HARNESS_VERSION, build="make images")
    line.sends = True
    _send(line, job, seconds)
    line.sends = False
    head, result = line.frame("result")
    peak = head.get("peak_mib")
    return Answer(result, peak if isinstance(peak, int) else None, found)


def _send(line: Conversation[Answer], job: MeasureJob, seconds: float) -> None:
    if job.keep_files is not None:
        raise BadRequest("keep_files: a container keeps no files; convert on the worker")
    sent: dict[str, File] = {}

    def inside(file: File) -> File:
        path = Path(file.path)
        if file.sha256 not in sent:
            line.send_file(path, sha256=file.sha256, suffix=path.suffix)
            place = f"{frames.INBOX}/{file.sha256}{path.suffix}"
            sent[file.sha256] = File(path=place, sha256=file.sha256)
        return sent[file.sha256]

    arms = [arm.model_copy(update={"file": inside(arm.file)}) for arm in job.arms]
    calibration = inside(job.calibration) if job.calibration else None
    there = job.model_copy(update={"arms": arms, "calibration": calibration})
    line.send("job", there.model_dump_json().encode(), seconds=seconds)
