"""Static int8 quantisation of a detector by ONNX Runtime: QDQ, per channel, decode in float."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from devices.decode import decode_nodes
from devices.errors import BadRequest
from devices.graph_basics import image_input, name_nodes

CALIBRATION_IMAGES = 32


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Feeds uint8 [n, 3, h, w] one image at a time, as float32 within 0..1."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._batches: Iterator[dict[str, NDArray[np.float32]]] = (
            {name: image[None].astype(np.float32) / np.float32(255)} for image in images
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


def quantise(source: Path, out: Path, *, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Writes the int8 form of the fp32 ONNX ``source`` to ``out`` and says how it was made.

    Activations uint8 and weights int8 per channel, ranges by MinMax over at most
    ``CALIBRATION_IMAGES`` of ``images``, evenly spread. The head's decode stays in float: boxes in
    pixels and scores within 0..1 would share one output scale and lose the scores. The graph is
    prepared as ONNX Runtime's guide says (basic optimisation, shape inference), so an activation is
    quantised the way a user of that tool gets it: HardSwish, for one, becomes a float HardSigmoid
    and an int8 product.

    Raises:
        BadRequest: the images do not fit the graph's input, or there are none.
    """
    _check_images(images, image_input(onnx.load(source)).shape)
    chosen = images[
        np.unique(np.linspace(0, len(images) - 1, CALIBRATION_IMAGES).round().astype(int))
    ]
    with tempfile.TemporaryDirectory(prefix="actnas-quantise-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        name = image_input(model).name
        name_nodes(model.graph)  # nodes are excluded by name
        decode = decode_nodes(model.graph)
        onnx.save(model, prepared)
        quantize_static(
            prepared,
            out,
            _Images(name, chosen),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(decode),
            calibrate_method=CalibrationMethod.MinMax,
        )
    return {
        "quantisation": "static QDQ, uint8 activations, int8 weights per channel, MinMax",
        "calibration_images": len(chosen),
        "float_decode_nodes": len(decode),
    }


def _check_images(images: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    if len(images) == 0 or images.dtype != np.uint8 or images.shape[1:] != shape[1:]:
        wanted = ", ".join(str(d) for d in shape[1:])
        raise BadRequest(
            f"calibration images are {images.dtype} {list(images.shape)}; "
            f"this model needs uint8 [n, {wanted}] with n >= 1"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the quantiser's advice off the root logger; warnings and worse of ours still pass."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
