"""What an activation's int8 operators make of each of the 256 values, by LiteRT's own kernels."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from devices.convert.tflite.layers import Layer
from devices.convert.tflite.lowering import lower
from devices.convert.tflite.network import Network
from devices.convert.tflite.ranges import Ranges

_SHAPE = (1, 1, 1, 256)


def lookup(layer: Layer, ranges: Ranges, *, xnnpack: bool) -> NDArray[np.float32]:
    """256 real values: those that site ``layer`` gives for the int8 inputs -128 .. 127.

    Integer kernels are off by a fraction of a step here and there (the built-in LEAKY_RELU rounds
    its negative side with a bias of its own, XNNPACK's does not), so a formula would not do.
    """
    source, output = layer.inputs[0], layer.outputs[0]
    network = Network(source, (layer,), (output,), {source: _SHAPE, output: _SHAPE}, ())
    interpreter = Interpreter(
        model_content=lower(network, ranges),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.AUTO
        if xnnpack
        else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    inputs = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 256, 1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    values = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(-1)
    to = ranges.of(output)
    return (values.astype(np.float32) - np.float32(to.zero_point)) * np.float32(to.scale)
