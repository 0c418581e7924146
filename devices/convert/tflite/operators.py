"""The ONNX operators that the NPU's part may hold: their output shapes and their TFLite form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from devices.convert.tflite import quantisation
from devices.convert.tflite.layers import Layer, NotOnNpu, Shape, Window, as_ints

if TYPE_CHECKING:
    from devices.convert.tflite.emitter import Emitter

_NHWC_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}


class Operator(Protocol):
    """One ONNX operator. ``shapes`` raises NotOnNpu for a form that TFLite or the NPU lacks."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]: ...

    def emit(self, layer: Layer, emitter: Emitter) -> None: ...


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
        bias = layer.constant(2)
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
        _unary("MAX_POOL_2D", layer, emitter, options)

    def _window(self, layer: Layer) -> Window:
        height, width = layer.attributes["kernel_shape"]
        return Window.of(layer, (height, width))


class Concat:
    """CONCATENATION."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        _only_maps(layer)
        axis = _axis(layer, layer.attributes["axis"])
        out = list(inputs[0])
        out[axis] = sum(shape[axis] for shape in inputs)
        return [tuple(out)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        options = schema.ConcatenationOptionsT()
        options.axis = _NHWC_AXIS[_axis(layer, layer.attributes["axis"])]
        inputs = [emitter.map(name) for name in layer.inputs]
        emitter.writer.operator("CONCATENATION", inputs, [emitter.map(layer.outputs[0])], options)


class Add:
    """ADD of two feature maps."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        _only_maps(layer)
        if len(inputs) != 2 or inputs[0] != inputs[1]:
            raise NotOnNpu(f"its operands {' and '.join(map(str, inputs))} differ in shape")
        return [inputs[0]]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        inputs = [emitter.map(name) for name in layer.inputs]
        emitter.writer.operator(
            "ADD", inputs, [emitter.map(layer.outputs[0])], schema.AddOptionsT()
        )


class Resize:
    """RESIZE_NEAREST_NEIGHBOR, for whole enlargements."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        for name, wanted in (
            ("mode", b"nearest"),
            ("coordinate_transformation_mode", b"asymmetric"),
            ("nearest_mode", b"floor"),
        ):
            if layer.attributes.get(name) != wanted:
                value = layer.attributes.get(name, b"absent").decode(errors="replace")
                raise NotOnNpu(f"{name} is {value}, not {wanted.decode()}")
        shape = inputs[0]
        sizes, scales = layer.constant(3), layer.constant(2)
        if sizes is not None and sizes.size == 4:
            out = tuple(as_ints(sizes, "sizes"))
        elif scales is not None and scales.size == 4:
            out = tuple(int(size * scale) for size, scale in zip(shape, scales, strict=True))
        else:
            raise NotOnNpu("neither its sizes nor its scales are constants")
        if out[:2] != shape[:2] or out[2] % shape[2] or out[3] % shape[3]:
            raise NotOnNpu(f"from {shape} to {out} is no whole enlargement")
        return [out]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        output = layer.outputs[0]
        _, height, width, _ = emitter.nhwc(output)
        inputs = [emitter.map(layer.inputs[0]), emitter.numbers(f"{output}#size", [height, width])]
        options = schema.ResizeNearestNeighborOptionsT()
        emitter.writer.operator("RESIZE_NEAREST_NEIGHBOR", inputs, [emitter.map(output)], options)


class Split:
    """SPLIT_V."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        axis = _axis(layer, layer.attributes.get("axis", 0))
        sizes = self._sizes(layer, inputs[0][axis])
        return [_with(inputs[0], axis, size) for size in sizes]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        axis = _axis(layer, layer.attributes.get("axis", 0))
        name = layer.outputs[0]
        sizes = [emitter.network.shapes[output][axis] for output in layer.outputs]
        inputs = [
            emitter.map(layer.inputs[0]),
            emitter.numbers(f"{name}#sizes", sizes),
            emitter.numbers(f"{name}#axis", _NHWC_AXIS[axis]),
        ]
        options = schema.SplitVOptionsT()
        options.numSplits = len(sizes)
        emitter.writer.operator(
            "SPLIT_V", inputs, [emitter.map(output) for output in layer.outputs], options
        )

    def _sizes(self, layer: Layer, total: int) -> list[int]:
        given = layer.constant(1)
        if len(layer.inputs) > 1:
            raise NotOnNpu("its sizes are not constants")
        if given is not None:
            sizes = as_ints(given, "sizes")
        elif "split" in layer.attributes:
            sizes = list(layer.attributes["split"])
        else:
            part = -(-total // len(layer.outputs))
            sizes = [part] * (len(layer.outputs) - 1)
            sizes.append(total - sum(sizes))
        if sum(sizes) != total or len(sizes) != len(layer.outputs) or min(sizes) < 1:
            raise NotOnNpu(f"sizes {sizes} do not share out {total}")
        return sizes


class Slice:
    """SLICE with step 1: how exporters write chunk()."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        begin, end = self._bounds(layer, inputs[0])
        return [tuple(e - b for b, e in zip(begin, end, strict=True))]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        output = layer.outputs[0]
        begin, end = self._bounds(layer, emitter.network.shapes[layer.inputs[0]])
        order = (0, 2, 3, 1)
        inputs = [
            emitter.map(layer.inputs[0]),
            emitter.numbers(f"{output}#begin", [begin[i] for i in order]),
            emitter.numbers(f"{output}#size", [end[i] - begin[i] for i in order]),
        ]
        emitter.writer.operator("SLICE", inputs, [emitter.map(output)], schema.SliceOptionsT())

    def _bounds(self, layer: Layer, shape: Shape) -> tuple[list[int], list[int]]:
        if len(layer.inputs) > 1 or len(layer.operands) < 3:
            raise NotOnNpu("its bounds are not constants")
        starts, ends = (as_ints(layer.constant(i), "bounds") for i in (1, 2))
        axes = layer.constant(3)
        steps = layer.constant(4)
        where = list(range(len(starts))) if axes is None else as_ints(axes, "axes")
        if steps is not None and any(step != 1 for step in as_ints(steps, "steps")):
            raise NotOnNpu(f"steps {as_ints(steps, 'steps')} are not 1")
        begin, end = [0] * 4, list(shape)
        for start, stop, axis in zip(starts, ends, where, strict=True):
            axis %= 4
            size = shape[axis]
            begin[axis] = min(max(start + size if start < 0 else start, 0), size)
            end[axis] = min(max(stop + size if stop < 0 else stop, 0), size)
        if any(e <= b for b, e in zip(begin, end, strict=True)):
            raise NotOnNpu("it selects nothing")
        return begin, end


def _unary(kind: str, layer: Layer, emitter: Emitter, options: Any) -> None:
    inputs = [emitter.map(layer.inputs[0])]
    emitter.writer.operator(kind, inputs, [emitter.map(layer.outputs[0])], options)


def _only_maps(layer: Layer) -> None:
    if any(operand is not None for operand in layer.operands):
        raise NotOnNpu("one operand is a constant")


def _axis(layer: Layer, axis: int) -> int:
    axis %= 4
    if axis == 0:
        raise NotOnNpu("it works along the batch")
    return axis


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


OPERATORS: dict[str, Operator] = {
    "Add": Add(),
    "Concat": Concat(),
    "Conv": Conv(),
    "MaxPool": MaxPool(),
    "Resize": Resize(),
    "Slice": Slice(),
    "Split": Split(),
}
