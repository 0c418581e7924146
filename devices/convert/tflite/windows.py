"""Layers that slide a window over a feature map: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from devices.convert.tflite import quantisation
from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import NHWC, Layer, NotOnNpu, Order, Shape, Window


class Conv:
    """CONV_2D, DEPTHWISE_CONV_2D where every input channel has a group of its own.

    Groups of several channels become a convolution each, between a SPLIT_V and a CONCATENATION:
    that is all that an NPU knows of them.
    """

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        weights = self._weights(layer)
        if layer.constant(2) is None and len(layer.operands) > 2:
            raise NotOnNpu("its bias is not constant")
        _, channels, height, width = inputs[0]
        group = _groups(layer)
        if weights.shape[1] * group != channels or weights.shape[0] % group:
            raise NotOnNpu(f"weights {weights.shape} do not fit {channels} input channels")
        height, width = self._window(layer, weights).output((height, width))
        return [(1, weights.shape[0], height, width)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        weights = self._weights(layer)
        group = _groups(layer)
        channels = emitter.network.shapes[layer.inputs[0]][1]
        depthwise = group != 1 and group == channels
        output, activation = emitter.result(layer)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        window = self._window(layer, weights)
        source, order = self._source(layer, window, emitter, options)
        options.strideH, options.strideW = window.stride
        options.dilationHFactor, options.dilationWFactor = window.dilation
        options.fusedActivationFunction = activation
        if depthwise:
            options.depthMultiplier = weights.shape[0] // group
            values, axis = weights.transpose(1, 2, 3, 0), 3
        else:
            values, axis = weights.transpose(0, 2, 3, 1), 0
        bias = emitter.biases.get(layer.outputs[0], layer.constant(2))
        if bias is None:
            bias = np.zeros(weights.shape[0], np.float32)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        if depthwise or group == 1:
            constants = _constants(layer, emitter, output, values, bias, axis)
            to = emitter.write(output, order)
            emitter.writer.operator(kind, [source, *constants], [to], options)
            return
        parts = []
        for i, piece in enumerate(_split(emitter, source, output, layer.inputs[0], group)):
            name = f"{output}#group{i}"
            each = slice(i * len(values) // group, (i + 1) * len(values) // group)
            constants = _constants(layer, emitter, name, values[each], bias[each], axis)
            *size, _ = emitter.nhwc(output)
            shape = (*size, len(values) // group)
            parts.append(emitter.helper(name, shape, emitter.of(output)))
            emitter.writer.operator(kind, [piece, *constants], [parts[-1]], options)
        joined = schema.ConcatenationOptionsT()
        joined.axis = 3
        emitter.writer.operator("CONCATENATION", parts, [emitter.write(output)], joined)

    def _weights(self, layer: Layer) -> NDArray[np.float32]:
        weights = layer.constant(1)
        if weights is None or weights.ndim != 4:
            raise NotOnNpu("its weights are not a constant [out, in, height, width]")
        return weights.astype(np.float32, copy=False)

    def _window(self, layer: Layer, weights: NDArray[np.float32]) -> Window:
        return Window.of(layer, (weights.shape[2], weights.shape[3]))

    def _source(
        self, layer: Layer, window: Window, emitter: Emitter, options: Any
    ) -> tuple[int, Order]:
        """The tensor to convolve and its order; sets the options' padding.

        TFLite has no explicit pads here.
        """
        name = layer.inputs[0]
        source, order = emitter.stored(name)
        if window.pointwise and _groups(layer) == 1 and (order[0], order[-1]) == (0, 1):
            options.padding = schema.Padding.SAME
            return source, order
        _, height, width, channels = emitter.nhwc(name)
        if window.same((height, width)):
            options.padding = schema.Padding.SAME
            return emitter.read(name), NHWC
        options.padding = schema.Padding.VALID
        if window.unpadded:
            return emitter.read(name), NHWC
        top, left, bottom, right = window.pads
        shape = (1, height + top + bottom, width + left + right, channels)
        # Named after the layer's own output: the padding is that layer's cost.
        output, _ = emitter.result(layer)
        padded = emitter.helper(f"{output}#padded", shape, emitter.of(name))
        pads = emitter.numbers(f"{output}#pads", [[0, 0], [top, bottom], [left, right], [0, 0]])
        emitter.writer.operator("PAD", [emitter.read(name), pads], [padded], schema.PadOptionsT())
        return padded, NHWC


def _groups(layer: Layer) -> int:
    return int(layer.attributes.get("group", 1))


def _constants(
    layer: Layer,
    emitter: Emitter,
    output: str,
    values: NDArray[np.float32],
    bias: NDArray[np.float32],
    axis: int,
) -> list[int]:
    """Weights and bias as tensors, named after ``output``; one int8 scale per entry of ``axis``."""
    writer = emitter.writer
    source = emitter.of(layer.inputs[0])
    if source is None:
        weights = writer.constant(f"{output}#weights", values)
        return [weights, writer.constant(f"{output}#bias", bias.astype(np.float32))]
    integers, scales = quantisation.weights(values, axis, quantisation.least_scales(bias, source))
    steps = (scales * source.scale).astype(np.float32)
    return [
        writer.constant(f"{output}#weights", integers, scales=scales, axis=axis),
        writer.constant(f"{output}#bias", quantisation.bias(bias, steps), scales=steps),
    ]


def _split(emitter: Emitter, source: int, output: str, name: str, group: int) -> list[int]:
    """The channels of ``source`` in ``group`` equal parts, padded as it is."""
    shape = emitter.writer.shape(source)
    part = (*shape[:-1], shape[-1] // group)
    parts = [emitter.helper(f"{output}#part{i}", part, emitter.of(name)) for i in range(group)]
    sizes = emitter.numbers(f"{output}#sizes", [part[-1]] * group)
    options = schema.SplitVOptionsT()
    options.numSplits = group
    inputs = [source, sizes, emitter.numbers(f"{output}#axis", 3)]
    emitter.writer.operator("SPLIT_V", inputs, parts, options)
    return parts


class ConvTranspose:
    """TRANSPOSE_CONV, of maps without padding: how some families enlarge a map."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        weights, window = self._weights(layer), self._window(layer)
        if layer.constant(2) is None and len(layer.operands) > 2:
            raise NotOnNpu("its bias is not constant")
        if _groups(layer) != 1 or window.dilation != (1, 1) or not window.unpadded:
            raise NotOnNpu("groups, dilations and pads of a transposed convolution are not taken")
        if any(layer.attributes.get("output_padding", ())) or "output_shape" in layer.attributes:
            raise NotOnNpu("it states the size of its output")
        _, channels, *size = inputs[0]
        if weights.shape[0] != channels:
            raise NotOnNpu(f"weights {weights.shape} do not fit {channels} input channels")
        height, width = ((size[i] - 1) * window.stride[i] + window.kernel[i] for i in (0, 1))
        return [(1, weights.shape[1], height, width)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        weights = self._weights(layer)
        window = self._window(layer)
        output = layer.outputs[0]
        options = schema.TransposeConvOptionsT()
        options.strideH, options.strideW = window.stride
        options.padding = schema.Padding.VALID
        bias = layer.constant(2)
        if bias is None:
            bias = np.zeros(weights.shape[1], np.float32)
        source = emitter.read(layer.inputs[0])
        values = weights.transpose(1, 2, 3, 0)
        constants = _constants(layer, emitter, output, values, bias, 0)
        size = emitter.numbers(f"{output}#size", emitter.nhwc(output))
        inputs = [size, constants[0], source, constants[1]]
        emitter.writer.operator("TRANSPOSE_CONV", inputs, [emitter.write(output)], options)

    def _weights(self, layer: Layer) -> NDArray[np.float32]:
        weights = layer.constant(1)
        if weights is None or weights.ndim != 4:
            raise NotOnNpu("its weights are not a constant [in, out, height, width]")
        return weights.astype(np.float32, copy=False)

    def _window(self, layer: Layer) -> Window:
        weights = self._weights(layer)
        return Window.of(layer, (weights.shape[2], weights.shape[3]))


class Pool:
    """MAX_POOL_2D or AVERAGE_POOL_2D. TFLite cannot pad them in any other way than SAME."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        _, channels, *size = inputs[0]
        window = self._window(layer)
        if len(layer.outputs) != 1:
            raise NotOnNpu("its indices are read")
        if window.dilation != (1, 1):
            raise NotOnNpu(f"dilations {window.dilation}")
        height, width = size
        if not (window.unpadded or window.same((height, width))):
            raise NotOnNpu(f"pads {window.pads} are neither none nor TFLite's SAME")
        if layer.kind == "AveragePool" and not window.unpadded:
            if layer.attributes.get("count_include_pad", 0):
                raise NotOnNpu("it counts its padding in")
            if window.pads[:2] != window.pads[2:]:
                raise NotOnNpu(f"pads {window.pads} differ from side to side")
        return [(1, channels, *window.output((height, width)))]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        window = self._window(layer)
        _, height, width, _ = emitter.nhwc(layer.inputs[0])
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = window.kernel
        options.strideH, options.strideW = window.stride
        same = window.same((height, width))
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        inputs = [emitter.read(layer.inputs[0])]
        emitter.writer.operator(self._kind, inputs, [emitter.write(layer.outputs[0])], options)

    def _window(self, layer: Layer) -> Window:
        height, width = layer.attributes["kernel_shape"]
        return Window.of(layer, (height, width))
