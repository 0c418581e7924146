"""Runs an int8 TFLite file of ours on this machine, for its values; never for its speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from devices.convert.tflite.metadata import CALIBRATED, HOST_PART, read_metadata
from devices.errors import Unsupported
from devices.runtimes.base import Image
from devices.runtimes.onnxruntime import options


class Int8Session:
    """The NPU's part by LiteRT's own integer kernels, the host's part by ONNX Runtime in float.

    The kernels are TFLite's built-in ones, whose results Arm's compiler reproduces. Those of the
    XNNPACK delegate round in other ways: in a trained YOLOv8n 2 to 4 % of the head's values came
    out more than one step apart (45 % with LeakyReLU everywhere), so they must not stand in for
    them, though they are 2 to 6 times faster. ``threads`` are for the host's part: those of the
    built-in kernels wait for each other at every layer by spinning, and two took 250 ms of
    processor time for an image where one took 41.

    Raises:
        Unsupported: the file's ranges are not calibrated, so its values mean nothing.
    """

    def __init__(self, content: bytes, *, threads: int) -> None:
        metadata = read_metadata(content)
        if CALIBRATED not in metadata:
            raise Unsupported(
                "the TFLite file's ranges are not calibrated: it can be costed, not run"
            )
        self._npu = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._npu.allocate_tensors()
        self._host = _host(metadata[HOST_PART], threads) if metadata[HOST_PART] else None

    @property
    def shape(self) -> tuple[int, ...]:
        (given,) = self._npu.get_input_details()
        n, height, width, channels = (int(size) for size in given["shape"])
        return n, channels, height, width

    def run(self, image: Image) -> list[NDArray[Any]]:
        """The outputs of the whole graph; see :class:`devices.runtimes.base.Session`."""
        (given,) = self._npu.get_input_details()
        scale, zero = given["quantization"]
        integers = np.clip(np.round(image.transpose(0, 2, 3, 1) / scale) + zero, -128, 127)
        self._npu.set_tensor(given["index"], integers.astype(np.int8))
        self._npu.invoke()
        maps = [self._real(details) for details in self._npu.get_output_details()]
        if self._host is None:
            return maps
        names = [value.name for value in self._host.get_inputs()]
        return list(self._host.run(None, dict(zip(names, maps, strict=True))))

    def close(self) -> None:
        """Frees both parts."""
        del self._npu
        self._host = None

    def _real(self, details: dict[str, Any]) -> NDArray[np.float32]:
        scale, zero = details["quantization"]
        values = self._npu.get_tensor(details["index"]).astype(np.float32)
        return np.ascontiguousarray(((values - zero) * np.float32(scale)).transpose(0, 3, 1, 2))


def _host(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, options(threads), providers=["CPUExecutionProvider"])
