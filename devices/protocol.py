"""What travels to a device and back: versioned JSON documents, checked by pydantic."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from devices.errors import BadRequest, NotAResult, WrongProtocol

PROTOCOL: Final = 1
_OTHER = "other_protocol"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Versioned(_Document):
    """What one side writes and the other reads; each may be of another version of the project."""

    protocol: Literal[1] = PROTOCOL

    @model_validator(mode="before")
    @classmethod
    def _check_protocol(cls, document: Any) -> Any:
        # Before anything else: a later protocol has fields that this one would only call unknown.
        theirs = document.get("protocol", PROTOCOL) if isinstance(document, dict) else PROTOCOL
        if theirs != PROTOCOL:
            raise PydanticCustomError(
                _OTHER,
                "is of protocol {theirs}, this side speaks protocol {ours}: "
                "install one version of the project on site and device",
                {"theirs": repr(theirs), "ours": PROTOCOL},
            )
        return document


class File(_Document):
    """A file by its path on the device's machine and its content."""

    path: str
    sha256: str


class Arm(_Document):
    """One model to measure: ``file`` as it is, or ``file`` with the activations of ``assignment``.

    With ``assignment`` the file is the fp32 base ONNX: the device swaps its activations and
    converts it to what the runtime eats. Without, ``ready`` says whether the file is the base
    ONNX (still to be converted) or the artefact itself.
    """

    name: str
    file: File
    assignment: dict[str, str] | None = None
    ready: bool = False


class Settings(_Document):
    """How long and how surely to measure. The stop rule looks at interval width and time only."""

    threads: int = Field(default=1, ge=1)
    min_blocks: int = Field(default=5, ge=2)
    max_blocks: int = Field(default=40, ge=2)
    rounds: int = Field(default=20, ge=1, description="interleaved rounds per block")
    warmup: int = Field(default=3, ge=0, description="runs of a fresh session that are not kept")
    warmup_ms: float = Field(
        default=50.0, ge=0, description="a fresh session is run for so long, however many runs"
    )
    half_width: float = Field(
        default=0.005, gt=0, description="stop below this interval half-width"
    )
    max_seconds: float = Field(default=60.0, gt=0)
    seed: int = 0


class MeasureJob(_Versioned):
    """Measure every arm against the arm called ``baseline``, in one lease."""

    id: str
    target: str
    arms: list[Arm] = Field(min_length=1)
    baseline: str
    calibration: File | None = None
    settings: Settings = Settings()
    profile: bool = Field(default=False, description="also return the per-site profile of each arm")
    memory: bool = Field(default=True, description="also take the memory figure of each arm")
    keep_files: str | None = Field(
        default=None, description="folder that keeps each converted artefact as <arm name>.<suffix>"
    )


def content_hash(job: MeasureJob) -> str:
    """sha256 (hex) over what a job asks for, wherever its files lie."""
    document = job.model_dump(mode="json", exclude={"keep_files"})
    for arm in document["arms"]:
        del arm["file"]["path"]
    if document["calibration"]:
        del document["calibration"]["path"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class Interval(_Document):
    """A 95 % interval."""

    low: float
    high: float


class Memory(_Document):
    """The target's own memory figure; ``rss_mib`` is VmHWM above an empty runtime process."""

    value: float
    unit: Literal["KiB", "MiB"]
    meaning: str
    rss_mib: float | None = None


class SiteTime(_Document):
    """Time (ms per inference) of the kernels that belong to one site; site "" is the rest."""

    site: str
    ms: float


class ArmResult(_Document):
    name: str
    file_sha256: str
    file_path: str | None = None
    latency_ms: float
    ratio: float
    ratio_interval: Interval
    samples_ms: list[list[float]] = Field(
        description="raw samples: one list a block; [] if modelled"
    )
    memory: Memory | None = None
    profile: list[SiteTime] | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Provenance(_Document):
    """Everything about the machine that can move a figure."""

    harness: str
    machine: dict[str, Any]
    versions: dict[str, str]
    started_at: str
    seconds: float


class Noise(_Document):
    """How quiet a lease was: see :mod:`devices.noise`."""

    floor: float = Field(description="no ratio this close to 1 is called faster or slower")
    source: Literal["device", "lease"] = Field(
        description="whose A/A comparisons made the floor: the device's checks, or the lease's own"
    )
    checks: int = Field(description="how many A/A comparisons made it")
    noisy: bool = Field(description="whether the lease tells a model from itself, measured twice")
    set_aside: list[float] = Field(
        default_factory=list,
        description="the A/A ratio of each lease that was noisy and measured again",
    )


class MeasureResult(_Versioned):
    job_id: str
    target: str
    kind: Literal["measured", "modelled", "emulated"]
    baseline: str
    arms: list[ArmResult]
    stopped: Literal["interval", "time", "blocks", "exact"]
    notes: list[str] = Field(default_factory=list)
    noise: Noise | None = Field(default=None, description="None where modelled, or not judged")
    provenance: Provenance

    def arm(self, name: str) -> ArmResult:
        """The arm called ``name``; KeyError if the job had none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)


def read_job(text: str | bytes) -> MeasureJob:
    """The job that a device was sent.

    Raises:
        WrongProtocol: the site speaks another protocol; BadRequest: it is no job.
    """
    try:
        return MeasureJob.model_validate_json(text)
    except ValidationError as error:
        if _is_other_protocol(error):
            raise WrongProtocol(f"the job {_said(error)}") from None
        raise BadRequest(f"job: {_said(error)}") from None


def read_result(text: str | bytes) -> MeasureResult:
    """The result that a device sent.

    Raises:
        WrongProtocol: the device speaks another protocol; NotAResult: it is no result.
    """
    try:
        return MeasureResult.model_validate_json(text)
    except ValidationError as error:
        if _is_other_protocol(error):
            raise WrongProtocol(f"the device's result {_said(error)}") from None
        raise NotAResult(f"the device left no valid result: {_said(error)}") from None


def _is_other_protocol(error: ValidationError) -> bool:
    return any(entry["type"] == _OTHER for entry in error.errors(include_url=False))


def _said(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = " ".join(first["msg"].split())[:300]
    return f"{place}: {said}" if place else said
