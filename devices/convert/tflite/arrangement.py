"""Layers that join, cut or enlarge feature maps."""

from __future__ import annotations

from collections.abc import Sequence

from ai_edge_litert import schema_py_generated as schema

from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import Layer, NotOnNpu, Shape, as_ints


class Concat:
    """CONCATENATION."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        if any(operand is not None for operand in layer.operands):
            raise NotOnNpu("one operand is a constant")
        axis = _axis(layer.attributes["axis"], inputs[0])
        out = list(inputs[0])
        out[axis] = sum(shape[axis] for shape in inputs)
        return [tuple(out)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        _, order = emitter.stored(layer.inputs[0])
        options = schema.ConcatenationOptionsT()
        options.axis = order.index(layer.attributes["axis"] % len(order))
        inputs = [emitter.read(name, order) for name in layer.inputs]
        to = emitter.write(layer.outputs[0], order)
        emitter.writer.operator("CONCATENATION", inputs, [to], options)


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
        size = emitter.numbers(f"{output}#size", [height, width])
        inputs = [emitter.read(layer.inputs[0]), size]
        options = schema.ResizeNearestNeighborOptionsT()
        emitter.writer.operator("RESIZE_NEAREST_NEIGHBOR", inputs, [emitter.write(output)], options)


class Split:
    """SPLIT_V."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        axis = _axis(layer.attributes.get("axis", 0), inputs[0])
        sizes = self._sizes(layer, inputs[0][axis])
        return [_with(inputs[0], axis, size) for size in sizes]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        source, order = emitter.stored(layer.inputs[0])
        axis = layer.attributes.get("axis", 0) % len(order)
        name = layer.outputs[0]
        sizes = [emitter.network.shapes[output][axis] for output in layer.outputs]
        inputs = [
            source,
            emitter.numbers(f"{name}#sizes", sizes),
            emitter.numbers(f"{name}#axis", order.index(axis)),
        ]
        options = schema.SplitVOptionsT()
        options.numSplits = len(sizes)
        parts = [emitter.write(output, order) for output in layer.outputs]
        emitter.writer.operator("SPLIT_V", inputs, parts, options)

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
        begin, end = slice_bounds(layer, inputs[0])
        return [tuple(e - b for b, e in zip(begin, end, strict=True))]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        output = layer.outputs[0]
        begin, end = slice_bounds(layer, emitter.network.shapes[layer.inputs[0]])
        source, order = emitter.stored(layer.inputs[0])
        inputs = [
            source,
            emitter.numbers(f"{output}#begin", [begin[i] for i in order]),
            emitter.numbers(f"{output}#size", [end[i] - begin[i] for i in order]),
        ]
        to = emitter.write(output, order)
        emitter.writer.operator("SLICE", inputs, [to], schema.SliceOptionsT())


def slice_bounds(layer: Layer, shape: Shape) -> tuple[list[int], list[int]]:
    """Where a Slice begins and ends along every axis of ``shape``.

    Raises:
        NotOnNpu: its bounds are not constants, or its steps not 1.
    """
    if len(layer.inputs) > 1 or len(layer.operands) < 3:
        raise NotOnNpu("its bounds are not constants")
    starts, ends = (as_ints(layer.constant(i), "bounds") for i in (1, 2))
    axes = layer.constant(3)
    steps = layer.constant(4)
    where = list(range(len(starts))) if axes is None else as_ints(axes, "axes")
    if steps is not None and any(step != 1 for step in as_ints(steps, "steps")):
        raise NotOnNpu(f"steps {as_ints(steps, 'steps')} are not 1")
    begin, end = [0] * len(shape), list(shape)
    for start, stop, axis in zip(starts, ends, where, strict=True):
        axis %= len(shape)
        size = shape[axis]
        begin[axis] = min(max(start + size if start < 0 else start, 0), size)
        end[axis] = min(max(stop + size if stop < 0 else stop, 0), size)
    if any(e <= b for b, e in zip(begin, end, strict=True)):
        raise NotOnNpu("it selects nothing")
    return begin, end


def _axis(axis: int, shape: Shape) -> int:
    axis %= len(shape)
    if axis == 0:
        raise NotOnNpu("it works along the batch")
    return axis


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])
