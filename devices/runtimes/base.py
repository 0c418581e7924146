"""What every runtime offers: converting a graph, opening it, and saying what it costs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from devices.errors import BadRequest, Unsupported
from devices.protocol import Memory, SiteTime
from devices.targets import Target

Image = NDArray[np.float32]
Calibration = NDArray[np.uint8]


class Session(Protocol):
    """A loaded model, ready to run on as many threads as it was opened with."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[1, 3, h, w]: the image that it takes."""
        ...

    def run(self, image: Image) -> list[NDArray[Any]]:
        """The outputs, in graph order, for one RGB image: float32 [1, 3, h, w] within 0..1."""
        ...

    def close(self) -> None:
        """Frees the model. Running afterwards is an error."""
        ...


@runtime_checkable
class Clocked(Protocol):
    """A session with a clock of its own, where the host's would time more than the inference."""

    def timed(self, image: Image) -> float:
        """Runs one image; ms that the inference took by the session's own clock."""
        ...


@runtime_checkable
class OnGpu(Protocol):
    """A session whose tensors lie in a GPU's memory."""

    def device_bytes(self) -> int:
        """The most GPU memory, in bytes, that was held for this session at once."""
        ...


@dataclass(frozen=True)
class Artefact:
    """The file that a runtime loads. ``details`` says how it was made (JSON-able)."""

    path: Path
    sha256: str
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, **details: Any) -> Artefact:
        """The artefact at ``path``, with the sha256 of its present content."""
        return cls(path, sha256(path), details)


@dataclass(frozen=True)
class Modelled:
    """What a cost model says about one artefact; nothing here was timed.

    ``latency_ms`` is per inference. ``profile`` may be empty where the model cannot tell sites
    apart. ``details`` goes into the arm's result, ``notes`` into the job's (each once).
    """

    latency_ms: float
    memory: Memory
    profile: list[SiteTime]
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Runtime(ABC):
    """One runtime. It holds no state between calls.

    A runtime of a *measured* target implements :meth:`open` and :meth:`profile`; one of a
    *modelled* target implements :meth:`estimate`. ``suffix`` is the artefact's file suffix. The
    sessions of a runtime with ``one_thread`` gain nothing from more: for many images, open several.
    One that ``converts_on_one_thread`` may convert several files at once.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    one_thread: ClassVar[bool] = False
    converts_on_one_thread: ClassVar[bool] = False

    @abstractmethod
    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        """Converts the fp32 ONNX ``model`` (activations already swapped) into the file ``out``.

        ``calibration`` is uint8 [n, 3, h, w] RGB, or None. ``out`` ends in ``suffix`` and appears
        only when it is whole.

        Raises:
            Unsupported: the target cannot run an activation or operator of this graph; named.
            BadRequest: the target needs calibration images and there are none.
        """

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide this runtime's figures."""

    def check(self) -> None:  # noqa: B027  # most need nothing but their package
        """Whether artefacts can be run on this machine; converting may work where running does not.

        Raises:
            Unsupported: something is missing here; named.
        """

    def open(self, artefact: Path, *, threads: int) -> Session:
        """Loads the artefact. The calling process is already pinned to ``threads`` CPUs."""
        raise Unsupported(
            f"runtime {self.name} runs nothing on this machine: its target is modelled"
        )

    def opener(self, artefact: Path, *, threads: int) -> Callable[[], Session]:
        """What opens fresh sessions of one artefact again and again, as cheaply as can be."""
        return partial(self.open, artefact, threads=threads)

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        """The memory figure of the target."""
        raise Unsupported(f"runtime {self.name} measures no memory: its target is modelled")

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        """Median ms of each site over ``runs`` inferences, in graph order, then the rest as "".

        A site owns its activation's kernels and the convolution (with whatever is fused into it)
        that feeds the activation. ``model`` is the fp32 ONNX behind ``artefact``.
        """
        raise Unsupported(f"runtime {self.name} has no profiler: its target is modelled")

    def estimate(self, artefact: Path, *, model: Path, target: Target) -> Modelled:
        """What the target's cost model says. ``model`` is the fp32 ONNX behind ``artefact``."""
        raise Unsupported(f"runtime {self.name} has no cost model: its targets are measured")

    def compare(self, arm: Modelled, baseline: Modelled) -> dict[str, Any]:
        """What else to say of a modelled arm beside its ratio; goes into the arm's details."""
        return {}


def calibration_of(target: Target, images: Calibration | None) -> Calibration:
    """The calibration images of a job, which ``target`` cannot do without.

    Raises:
        BadRequest: the job carries none.
    """
    if images is None:
        raise BadRequest(f"target {target.id} needs calibration images and the job carries none")
    return images


def sha256(path: Path) -> str:
    """The sha256 of a file's content, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
