"""ONNX Runtime on the CPU: fp32 as exported, int8 by static quantisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as status

from devices import memory as memory_of
from devices.convert import onnx_file
from devices.errors import MeasurementFailed
from devices.protocol import Memory, SiteTime
from devices.runtimes import onnxruntime_profile
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.targets import Target

# ONNX Runtime has a class of its own per status code, all directly below Exception.
LOAD_ERRORS = (
    status.Fail,
    status.InvalidArgument,
    status.InvalidGraph,
    status.InvalidProtobuf,
    status.NoSuchFile,
    status.NotImplemented,
    status.RuntimeException,
)


class OnnxRuntime(Runtime):
    """Serves cpu-onnxruntime-*. The artefact is an ONNX file."""

    name = "onnxruntime"
    suffix = ".onnx"

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        return onnx_file.convert(model, target=target, out=out, calibration=calibration)

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__}

    def open(self, artefact: Path, *, threads: int) -> _Session:
        return _Session(artefact, options(threads))

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.cpu(artefact, target=target, threads=threads)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        return onnxruntime_profile.profile(
            artefact, model=model, runs=runs, options=options(threads)
        )


class _Session:
    def __init__(self, artefact: Path, opts: onnxruntime.SessionOptions) -> None:
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                str(artefact), opts, providers=["CPUExecutionProvider"]
            )
        except LOAD_ERRORS as error:
            raise MeasurementFailed(
                f"ONNX Runtime cannot load {artefact.name}: {one_line(error)}"
            ) from None
        image = self._session.get_inputs()[0]
        self._input = image.name
        self.shape: tuple[int, ...] = tuple(image.shape)

    def run(self, image: Image) -> list[NDArray[Any]]:
        if self._session is None:
            raise MeasurementFailed("this session is closed")
        outputs: list[NDArray[Any]] = self._session.run(None, {self._input: image})
        return outputs

    def close(self) -> None:
        self._session = None


def options(threads: int) -> onnxruntime.SessionOptions:
    """Session options of every measurement: all optimisations, ``threads`` threads, sequential."""
    opts = onnxruntime.SessionOptions()
    opts.intra_op_num_threads = threads
    opts.inter_op_num_threads = 1
    opts.log_severity_level = 3
    # Several sessions live side by side: a pool that spins on after its run slows the next arm.
    opts.add_session_config_entry("session.force_spinning_stop", "1")
    return opts


def one_line(error: Exception) -> str:
    """The first line of a runtime's error message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
