"""ONNX (fp32, NCHW) to int8 TFLite (NHWC), for what an NPU runs of a detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from devices.convert.tflite.activations import RUNS
from devices.convert.tflite.emitter import Emitter, Lowering
from devices.convert.tflite.network import Network, read
from devices.convert.tflite.ranges import Ranges

__all__ = ["RUNS", "Converted", "Lowering", "Network", "convert", "read"]


@dataclass(frozen=True)
class Converted:
    """A TFLite file and what it was made from; its values mean something only if ``calibrated``."""

    content: bytes
    network: Network
    calibrated: bool


def convert(
    model: onnx.ModelProto,
    *,
    lowering: Lowering,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Converted:
    """The int8 TFLite of ``model``'s NPU part; see :func:`read` for where it is cut.

    ``lowering`` says how SiLU is written: "tflite" as LOGISTIC and MUL, as a TFLite user gets it,
    or "table" as one table operator (the cost of the TOSA route; its values are not SiLU's).
    ``ranges`` gives (low, high) of every feature map. Without it all of them are fixed: the file
    costs what a calibrated one costs, and computes nothing of use.

    Raises:
        Unsupported: an activation or operator that does not run on the NPU; named with its node.
        BadRequest: not a graph with one static image input.
    """
    network = read(model)
    quantised = Ranges(network, ranges)
    content = Emitter(network, quantised, lowering).run()
    return Converted(content, network, quantised.calibrated)
