"""ONNX Runtime on a CUDA GPU: float16, everything on the GPU, replayed as a CUDA graph."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from devices import cuda
from devices import memory as memory_of
from devices.convert import onnx_file
from devices.convert.parts import site_models
from devices.errors import MeasurementFailed, Unsupported
from devices.protocol import Memory, SiteTime
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.runtimes.onnxruntime import LOAD_ERRORS, one_line, options
from devices.targets import Target

PROVIDER = "CUDAExecutionProvider"
_UNTIL_CAPTURED = 3  # runs: the provider captures its graph in one of the first two
_WARM_UP = 3


class OnnxRuntimeCuda(Runtime):
    """Serves gpu-onnxruntime-cuda-fp16. The artefact is an ONNX file in float16."""

    name: ClassVar[str] = "onnxruntime_cuda"
    suffix: ClassVar[str] = ".onnx"
    one_thread: ClassVar[bool] = True

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        return onnx_file.convert(model, target=target, out=out, calibration=calibration)

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__, "onnx": version("onnx")}

    def check(self) -> None:
        if PROVIDER not in onnxruntime.get_available_providers():
            raise Unsupported(
                f"this ONNX Runtime has no {PROVIDER}; the Python package 'onnxruntime-gpu' has it"
            )
        cuda.require()

    def open(self, artefact: Path, *, threads: int) -> _Session:
        self.check()
        return _Session(artefact.read_bytes(), artefact.name, threads)

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.gpu(artefact, target=target, threads=threads)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        """See :meth:`Runtime.profile`. The profiler of ONNX Runtime sees when the host launches
        kernels, not how long they run, so each site is timed in a graph of its own; what is left of
        the whole model's time is "". Empty where ``model`` is the artefact itself.
        """
        self.check()
        if model == artefact:
            return []
        parts = site_models(artefact, model)
        whole = _median(artefact.read_bytes(), artefact.name, threads, runs)
        found = [
            SiteTime(site=key, ms=_median(part.SerializeToString(), key, threads, runs))
            for key, part in parts
        ]
        rest = max(whole - sum(entry.ms for entry in found), 0.0)
        return [*found, SiteTime(site="", ms=rest)]


class _Session:
    """A model with its own stream; inputs and outputs keep their addresses, as a graph must."""

    def __init__(self, content: bytes, name: str, threads: int) -> None:
        onnxruntime.preload_dlls()  # CUDA and cuDNN of NVIDIA's wheels
        self._before = cuda.used_bytes()
        self._stream = cuda.Stream()
        opts = options(threads)
        opts.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        provider = {
            "device_id": "0",
            "user_compute_stream": str(int(self._stream.handle)),
            "enable_cuda_graph": "1",
            "arena_extend_strategy": "kSameAsRequested",
        }
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                content, opts, providers=[(PROVIDER, provider)]
            )
        except LOAD_ERRORS as error:
            raise MeasurementFailed(f"ONNX Runtime cannot load {name}: {one_line(error)}") from None
        if self._session.get_providers()[0] != PROVIDER:
            raise MeasurementFailed(f"ONNX Runtime would run {name} on the CPU, not on the GPU")
        (image,) = self._session.get_inputs()
        self.shape: tuple[int, ...] = tuple(image.shape)
        self._image, *self._outputs = [
            cuda.Buffer(tuple(value.shape), _NUMPY[value.type])
            for value in (image, *self._session.get_outputs())
        ]
        self._binding = self._session.io_binding()
        self._binding.bind_input(
            image.name, "cuda", 0, _NUMPY[image.type], self.shape, self._image.address
        )
        for value, buffer in zip(self._session.get_outputs(), self._outputs, strict=True):
            self._binding.bind_output(
                value.name, "cuda", 0, _NUMPY[value.type], tuple(value.shape), buffer.address
            )
        self._how = onnxruntime.RunOptions()
        # The events are on the same stream; waiting inside the run would be timed with it.
        self._how.add_run_config_entry("disable_synchronize_execution_providers", "1")
        for _ in range(_UNTIL_CAPTURED):
            self._launch()
        self._stream.wait()

    def run(self, image: Image) -> list[NDArray[Any]]:
        self._image.write(image, self._stream)
        self._launch()
        return [output.read(self._stream) for output in self._outputs]

    def timed(self, image: Image) -> float:
        self._image.write(image, self._stream)
        return self._stream.timed(self._launch)

    def device_bytes(self) -> int:
        # Its arena gives nothing back, so what is held now was the most.
        return cuda.used_bytes() - self._before

    def close(self) -> None:
        if self._session is None:
            return
        self._stream.wait()
        self._session = self._binding = None
        for buffer in (self._image, *self._outputs):
            buffer.close()
        self._stream.close()

    def _launch(self) -> None:
        if self._session is None:
            raise MeasurementFailed("this session is closed")
        self._session.run_with_iobinding(self._binding, self._how)


_NUMPY: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
}


def _median(content: bytes, name: str, threads: int, runs: int) -> float:
    """Median ms on the GPU of a model on a grey image or map."""
    session = _Session(content, name, threads)
    try:
        values = np.full(session.shape, 0.5, np.float32)
        times = [session.timed(values) for _ in range(runs + _WARM_UP)]
    finally:
        session.close()
    return float(np.median(times[_WARM_UP:]))
