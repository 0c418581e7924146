"""ONNX (fp32, NCHW) to TFLite (NHWC): a whole detector, or in int8 what an NPU runs of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from devices.convert.tflite.activations import RUNS
from devices.convert.tflite.calibration import observed_ranges
from devices.convert.tflite.correction import corrected_biases
from devices.convert.tflite.decode import host_part
from devices.convert.tflite.emitter import Lowering
from devices.convert.tflite.lowering import lower
from devices.convert.tflite.metadata import CALIBRATED, HOST_PART
from devices.convert.tflite.network import Network
from devices.convert.tflite.ranges import Ranges
from devices.convert.tflite.reading import read, read_whole
from devices.convert.tflite.tables import silu_as_table

__all__ = [
    "RUNS",
    "Converted",
    "Lowering",
    "Network",
    "convert",
    "convert_whole",
    "read",
    "read_whole",
    "silu_as_table",
]


@dataclass(frozen=True)
class Converted:
    """A TFLite file and what it was made from; its values mean something only if ``calibrated``."""

    content: bytes
    network: Network
    calibrated: bool


def convert(
    model: onnx.ModelProto, *, lowering: Lowering, images: NDArray[np.uint8] | None = None
) -> Converted:
    """The int8 TFLite of ``model``'s NPU part; see :func:`read` for where it is cut.

    ``lowering`` says how SiLU is written: "tflite" as LOGISTIC and MUL, as a TFLite user gets it,
    or "table" as one table operator (the cost of the TOSA route; its values are not SiLU's).
    ``images``, uint8 [n, 3, h, w], calibrate the ranges of the feature maps. Without them the
    ranges are fixed: the file costs what a calibrated one costs, and computes nothing of use.

    A file whose values mean something carries the host's part of the graph as metadata.

    Raises:
        Unsupported: an activation or operator that does not run on the NPU; named with its node.
        BadRequest: not a graph with one static image input, or images that do not fit it.
    """
    network = read(model)
    calibrated = images is not None and not (lowering == "table" and network.has("silu"))
    ranges = Ranges(network, None if images is None else observed_ranges(model, network, images))
    metadata: dict[str, bytes] = {}
    if calibrated:
        host = host_part(model, network)
        metadata = {CALIBRATED: b"1", HOST_PART: host.SerializeToString() if host else b""}
    biases = None
    if calibrated and images is not None:
        biases = corrected_biases(model, network, ranges, images)
    content = lower(network, ranges, lowering=lowering, biases=biases, metadata=metadata)
    return Converted(content, network, calibrated)


def convert_whole(model: onnx.ModelProto, *, images: NDArray[np.uint8] | None) -> bytes:
    """The TFLite file of all of ``model``: float32 image (NHWC) in, float32 outputs as in ONNX.

    With ``images``, uint8 [n, 3, h, w], the network is int8 as :func:`convert` writes it, between
    a QUANTIZE and DEQUANTIZEs; the head's decode stays in float; biases are corrected
    for XNNPACK's kernels. Without, all of it is fp32.

    Raises:
        Unsupported: an operator, or in int8 an activation, that TFLite lacks; named.
        BadRequest: not a graph with one static image input, or images that do not fit it.
    """
    whole = read_whole(model)
    if images is None:
        return lower(whole, None, real_edges=True)
    network = read(model)
    ranges = Ranges(network, observed_ranges(model, network, images))
    biases = corrected_biases(model, network, ranges, images, xnnpack=True)
    return lower(whole, ranges, biases=biases, real_edges=True)
