"""LiteRT (TensorFlow Lite) on the CPU, with its XNNPACK delegate."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from devices import memory as memory_of
from devices.convert import tflite
from devices.convert.tflite.arena import arena_bytes
from devices.errors import MeasurementFailed
from devices.files import atomic
from devices.protocol import Memory, SiteTime
from devices.runtimes import litert_profile
from devices.runtimes.base import Artefact, Calibration, Image, Runtime, calibration_of
from devices.targets import Target

# ONNX Runtime finds the ranges and biases of int8.
_PACKAGES = ("ai-edge-litert", "onnxruntime")


class LiteRt(Runtime):
    """Serves cpu-litert-*. The artefact is one TFLite file, from the image to boxes and scores."""

    name: ClassVar[str] = "litert"
    suffix: ClassVar[str] = ".tflite"
    converts_on_one_thread: ClassVar[bool] = True

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        int8 = target.precision == "int8"
        images = calibration_of(target, calibration) if int8 else None
        content = tflite.convert_whole(onnx.load(str(model)), images=images)
        with atomic(out) as part:
            part.write_bytes(content)
        return Artefact.of(out)

    def versions(self) -> dict[str, str]:
        return {package: version(package) for package in _PACKAGES}

    def open(self, artefact: Path, *, threads: int) -> _Session:
        return _Session(artefact, threads)

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        planned = arena_bytes(artefact.read_bytes())
        return memory_of.cpu(artefact, target=target, threads=threads, planned=planned)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        """See :meth:`Runtime.profile`. LiteRT's Python package has no profiler, so each site's
        operators are timed in a file of their own; what is left of the whole model's time is "".
        """
        return litert_profile.profile(artefact, model=model, runs=runs, threads=threads)


class _Session:
    """A run includes laying the image out as TFLite takes it, channels last."""

    def __init__(self, artefact: Path, threads: int) -> None:
        try:
            self._model: Interpreter | None = Interpreter(
                model_path=str(artefact), num_threads=threads
            )
            self._model.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise MeasurementFailed(f"LiteRT cannot load {artefact.name}: {text}") from None
        (image,) = self._model.get_input_details()
        n, height, width, channels = (int(size) for size in image["shape"])
        self._image = image["index"]
        self._outputs = [output["index"] for output in self._model.get_output_details()]
        self.shape: tuple[int, ...] = (n, channels, height, width)

    def run(self, image: Image) -> list[NDArray[Any]]:
        if self._model is None:
            raise MeasurementFailed("this session is closed")
        # The view must be gone before the model runs.
        np.copyto(self._model.tensor(self._image)(), image.transpose(0, 2, 3, 1))
        self._model.invoke()
        return [self._model.get_tensor(index) for index in self._outputs]

    def close(self) -> None:
        self._model = None
