"""Static int8 quantisation of an ONNX detector by ONNX Runtime: QDQ, per channel, decode in float."""

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

from devices.errors import BadRequest

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
    quantised the way a user of that tool gets it: HardSwish, for one, runs in float between QDQ pairs.

    Raises:
        BadRequest: the images do not fit the graph's input, or there are none.
    """
    chosen = images[np.unique(np.linspace(0, len(images) - 1, CALIBRATION_IMAGES).round().astype(int))]
    with tempfile.TemporaryDirectory(prefix="actnas-quantise-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        name = _image_input(model, images=images)
        _name_nodes(model.graph)
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
        "quantisation": "onnxruntime static QDQ, uint8 activations, int8 weights per channel, MinMax",
        "calibration_images": len(chosen),
        "float_decode_nodes": len(decode),
    }


def decode_nodes(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes after the last convolution of every head branch.

    A YOLO head ends in convolutions whose outputs are reshaped, concatenated and turned into boxes
    and scores. All of that is decode; the fixed 1x1 convolution that takes the expectation of the
    box distribution (DFL: a Softmax feeds it) is part of it and not a branch's end.
    """
    writer = {out: node for node in graph.node for out in node.output}
    seen: set[str] = set()
    waiting = [value.name for value in graph.output]
    decode: dict[int, onnx.NodeProto] = {}
    while waiting:
        tensor = waiting.pop()
        node = writer.get(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if node.op_type in ("Conv", "ConvTranspose", "Gemm") and not _is_dfl(node, writer):
            continue
        decode[id(node)] = node
        waiting.extend(name for name in node.input if name)
    return {node.name for node in decode.values()}


def _is_dfl(node: onnx.NodeProto, writer: dict[str, onnx.NodeProto]) -> bool:
    before = writer.get(node.input[0])
    while before is not None and before.op_type in ("Transpose", "Reshape", "Identity"):
        before = writer.get(before.input[0])
    return before is not None and before.op_type == "Softmax"


def _image_input(model: onnx.ModelProto, *, images: NDArray[np.uint8]) -> str:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise BadRequest(f"the ONNX file has {len(inputs)} inputs; a detector has one image input")
    wanted = tuple(d.dim_value for d in inputs[0].type.tensor_type.shape.dim)
    if len(images) == 0 or images.dtype != np.uint8 or images.shape[1:] != wanted[1:]:
        raise BadRequest(
            f"calibration images are {images.dtype} {list(images.shape)}; "
            f"this model needs uint8 [n, {', '.join(str(d) for d in wanted[1:])}] with n >= 1"
        )
    return str(inputs[0].name)


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Nodes are excluded by name, so each needs one of its own."""
    taken: set[str] = set()
    for node in graph.node:
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}:{node.output[0]}"
        taken.add(node.name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the quantiser's advice off the root logger; warnings and worse of ours still pass."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
