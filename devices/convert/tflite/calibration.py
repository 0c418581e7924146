"""The ranges that feature maps take on calibration images."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from devices.convert.tflite.network import Network
from devices.errors import BadRequest

CALIBRATION_IMAGES = 32


def observed_ranges(
    model: onnx.ModelProto, network: Network, images: NDArray[np.uint8]
) -> dict[str, tuple[float, float]]:
    """(low, high) of every feature map of ``network``, as TFLite's converter takes them: MinMax.

    ``images`` is uint8 [n, 3, h, w]; at most ``CALIBRATION_IMAGES`` of them are run, evenly spread,
    by ONNX Runtime in fp32. The image itself is 0..1 by contract, whatever the sample holds.

    Raises:
        BadRequest: there are no images, or they do not fit the model's input.
    """
    wanted = network.shapes[network.input]
    if len(images) == 0 or images.dtype != np.uint8 or images.shape[1:] != wanted[1:]:
        text = ", ".join(str(size) for size in wanted[1:])
        raise BadRequest(
            f"calibration images are {images.dtype} {list(images.shape)}; "
            f"this model needs uint8 [n, {text}] with n >= 1"
        )
    names = [name for name in network.shapes if name != network.input]
    session = _session(model, names)
    chosen = np.unique(np.linspace(0, len(images) - 1, CALIBRATION_IMAGES).round().astype(int))
    lows, highs = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for index in chosen:
        image = images[index][None].astype(np.float32) / np.float32(255)
        values = session.run(names, {network.input: image})
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    ranges = {
        name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)
    }
    return {network.input: (0.0, 1.0), **ranges}


def _session(model: onnx.ModelProto, names: list[str]) -> onnxruntime.InferenceSession:
    """A session that gives out ``names``: every one of them, so nothing is fused away."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for name in names:
        probe.graph.output.add(name=name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
