"""OpenVINO on the CPU. It reads the ONNX itself, so the artefact is the ONNX file."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray

from devices import memory as memory_of
from devices.attribution import owned_nodes, site_times
from devices.convert import onnx_file
from devices.errors import MeasurementFailed
from devices.protocol import Memory, SiteTime
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.targets import Target

_WARM_UP = 3


class OpenVino(Runtime):
    """Serves cpu-openvino-*. Int8 is ONNX Runtime's QDQ file, which the plug-in fuses by itself."""

    name = "openvino"
    suffix = ".onnx"

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        return onnx_file.convert(model, target=target, out=out, calibration=calibration)

    def versions(self) -> dict[str, str]:
        found = {"openvino": openvino.__version__}
        if importlib.util.find_spec("onnxruntime"):  # the int8 file is its quantiser's
            found["onnxruntime"] = metadata.version("onnxruntime")
        return found

    def open(self, artefact: Path, *, threads: int) -> _Session:
        return _Session(_compile(artefact, properties(threads)))

    def opener(self, artefact: Path, *, threads: int) -> Callable[[], _Session]:
        """Compiles once; sessions load the compiled form, which takes a quarter of the time.

        They run the same kernels and give the same bits as a session from :meth:`open`.
        """
        options = properties(threads)
        blob = io.BytesIO()
        _compile(artefact, options).export_model(blob)
        compiled = blob.getvalue()
        return lambda: _Session(openvino.Core().import_model(compiled, "CPU", options))

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.cpu(artefact, target=target, threads=threads)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        session = _Session(_compile(artefact, {**properties(threads), "PERF_COUNT": True}))
        image = np.full(session.shape, 0.5, np.float32)
        times: list[dict[str, float]] = []
        for i in range(runs + _WARM_UP):
            session.run(image)
            if i >= _WARM_UP:
                times.append(session.kernel_times())
        origins = session.origins()
        session.close()
        owned = owned_nodes(onnx.load(model))
        site_of = {n: each.site.key for each in owned for n in each.nodes}
        site_of |= {each.feeder: each.site.key for each in owned if each.feeder is not None}
        owners = {
            kernel: next((site_of[n] for n in reversed(names) if n in site_of), "")
            for kernel, names in origins.items()
        }
        missing = {each.site.key for each in owned} - set(owners.values())
        if missing:
            raise MeasurementFailed(
                f"OpenVINO's executed graph has no kernel for site {sorted(missing)[0]!r}"
            )
        return site_times(owners, times, sites=[each.site.key for each in owned])


class _Session:
    def __init__(self, model: openvino.CompiledModel) -> None:
        self._model: openvino.CompiledModel | None = model
        self._request = model.create_infer_request()
        self._outputs = model.outputs
        self.shape: tuple[int, ...] = tuple(model.inputs[0].shape)

    def run(self, image: Image) -> list[NDArray[Any]]:
        if self._model is None:
            raise MeasurementFailed("this session is closed")
        results = self._request.infer([image], share_inputs=True)
        return [results[output] for output in self._outputs]

    def close(self) -> None:
        self._request = self._model = None

    def kernel_times(self) -> dict[str, float]:
        """{executed kernel: ms} of the latest run."""
        return {
            entry.node_name: entry.real_time.total_seconds() * 1e3
            for entry in self._request.profiling_info
            if entry.status == openvino.ProfilingInfo.Status.EXECUTED
        }

    def origins(self) -> dict[str, list[str]]:
        """{kernel: names of the ONNX nodes that are fused into it}."""
        if self._model is None:
            raise MeasurementFailed("this session is closed")
        found: dict[str, list[str]] = {}
        for node in self._model.get_runtime_model().get_ordered_ops():
            info = node.get_rt_info()
            names = info["originalLayersNames"].astype(str) if "originalLayersNames" in info else ""
            found[node.get_friendly_name()] = [n for n in names.split(",") if n]
        return found


def _compile(artefact: Path, options: dict[str, Any]) -> openvino.CompiledModel:
    try:
        return openvino.Core().compile_model(str(artefact), "CPU", options)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise MeasurementFailed(
            f"OpenVINO cannot load {artefact.name}: {lines[-1] if lines else error!r}"
        ) from None


def properties(threads: int) -> dict[str, Any]:
    """Compile options of every measurement.

    The precision is stated because the plug-in's own default is bfloat16 on CPUs that have it. The
    harness has pinned the process, so the plug-in must not pin on its own.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",
    }
