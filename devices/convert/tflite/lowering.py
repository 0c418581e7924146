"""A network written as a TFLite file, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from devices.convert.tflite.activations import emit_activation
from devices.convert.tflite.emitter import Emitter, Lowering
from devices.convert.tflite.network import Network
from devices.convert.tflite.operators import OPERATORS
from devices.convert.tflite.ranges import Ranges


def lower(
    network: Network,
    ranges: Ranges | None,
    *,
    lowering: Lowering = "tflite",
    biases: Mapping[str, NDArray[np.float32]] | None = None,
    metadata: Mapping[str, bytes] | None = None,
    real_edges: bool = False,
) -> bytes:
    """The TFLite file of ``network``: int8 where ``ranges`` knows a feature map, else float32.

    It takes the image in NHWC and gives maps of four axes in NHWC, int8 where they are; with
    ``real_edges`` it takes float32 and gives float32 in ONNX's own order of axes. ``biases``
    {convolution's output: bias} take the place of the network's own.

    Raises:
        Unsupported: TFLite has no operator for an activation in the arithmetic of its layer.
    """
    emitter = Emitter(network, ranges, lowering, biases)
    first = emitter.image(real=real_edges)
    absorbed = {site.outputs[0] for site in emitter.fused.values()}
    for layer in network.layers:
        emitter.real = emitter.is_real(layer.outputs[0])
        if layer.kind != "Activation":
            OPERATORS[layer.kind].emit(layer, emitter)
        elif layer.outputs[0] not in absorbed:
            emit_activation(layer, emitter)
    outputs = []
    for name in network.outputs:
        emitter.real = real_edges or emitter.is_real(name)
        rank = len(network.shapes[name])
        outputs.append(emitter.read(name, tuple(range(rank)) if real_edges else None))
    return emitter.writer.finish([first], outputs, metadata or {})
