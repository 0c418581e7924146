"""Layers that slide a window over a feature map: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from devices.convert.tflite import quantisation
from devices.convert.tflite.layers import Layer, NotOnNpu, Shape, Window

if TYPE_CHECKING:
    from devices.convert.tflite.emitter import Emitter


class Conv:
    """CONV_2D, or DEPTHWISE_CONV_2D where every input channel has a group of its own."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        weights = self._weights(layer)
        if layer.constant(2) is None and len(layer.operands) > 2:
            raise NotOnNpu("its bias is not constant")
        _, channels, height, width = inputs[0]
        group = int(layer.attributes.get("group", 1))
        if group != 1 and group != channels:
            raise NotOnNpu(f"grouped convolution with {group} groups of {channels} channels")
        if weights.shape[1] * group != channels or weights.shape[0] % group:
            raise NotOnNpu(f"weights {weights.shape} do not fit {channels} input channels")
        height, width = self._window(layer, weights).output((height, width))
        return [(1, weights.shape[0], height, width)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        weights = self._weights(layer)
        depthwise = int(layer.attributes.get("group", 1)) != 1
        output, activation = emitter.result(layer)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        window = self._window(layer, weights)
        source = self._padded(layer, window, emitter, options)
        options.strideH, options.strideW = window.stride
        options.dilationHFactor, options.dilationWFactor = window.dilation
        options.fusedActivationFunction = activation
        if depthwise:
            options.depthMultiplier = weights.shape[0] // int(layer.attributes["group"])
            values, axis = weights.transpose(1, 2, 3, 0), 3
        else:
            values, axis = weights.transpose(0, 2, 3, 1), 0
        integers, scales = quantisation.weights(values, axis)
        bias = emitter.biases.get(layer.outputs[0], layer.constant(2))
        if bias is None:
            bias = np.zeros(weights.shape[0], np.float32)
        steps = (scales * emitter.ranges.of(layer.inputs[0]).scale).astype(np.float32)
        inputs = [
            source,
            emitter.writer.constant(f"{output}#weights", integers, scales=scales, axis=axis),
            emitter.writer.constant(f"{output}#bias", quantisation.bias(bias, steps), scales=steps),
        ]
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        emitter.writer.operator(kind, inputs, [emitter.map(output)], options)

    def _weights(self, layer: Layer) -> NDArray[np.float32]:
        weights = layer.constant(1)
        if weights is None or weights.ndim != 4:
            raise NotOnNpu("its weights are not a constant [out, in, height, width]")
        return weights.astype(np.float32, copy=False)

    def _window(self, layer: Layer, weights: NDArray[np.float32]) -> Window:
        return Window.of(layer, (weights.shape[2], weights.shape[3]))

    def _padded(self, layer: Layer, window: Window, emitter: Emitter, options: Any) -> int:
        """The tensor to convolve; sets the options' padding. TFLite has no explicit pads here."""
        name = layer.inputs[0]
        _, height, width, channels = emitter.nhwc(name)
        if window.same((height, width)):
            options.padding = schema.Padding.SAME
            return emitter.map(name)
        options.padding = schema.Padding.VALID
        if window.unpadded:
            return emitter.map(name)
        top, left, bottom, right = window.pads
        shape = (1, height + top + bottom, width + left + right, channels)
        # Named after the layer's own output: the padding is that layer's cost.
        output, _ = emitter.result(layer)
        padded = emitter.helper(f"{output}#padded", shape, emitter.ranges.of(name))
        pads = emitter.numbers(f"{output}#pads", [[0, 0], [top, bottom], [left, right], [0, 0]])
        emitter.writer.operator("PAD", [emitter.map(name), pads], [padded], schema.PadOptionsT())
        return padded


class MaxPool:
    """MAX_POOL_2D. TFLite cannot pad it in any other way than SAME."""

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
        return [(1, channels, *window.output((height, width)))]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        window = self._window(layer)
        _, height, width, _ = emitter.nhwc(layer.inputs[0])
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = window.kernel
        options.strideH, options.strideW = window.stride
        same = window.same((height, width))
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        inputs = [emitter.map(layer.inputs[0])]
        emitter.writer.operator("MAX_POOL_2D", inputs, [emitter.map(layer.outputs[0])], options)

    def _window(self, layer: Layer) -> Window:
        height, width = layer.attributes["kernel_shape"]
        return Window.of(layer, (height, width))
