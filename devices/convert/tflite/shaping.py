"""Layers that only say how the numbers of a feature map are to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import Layer, NotOnNpu, Order, Shape, as_ints, stored_shape


class Transpose:
    """No operator at all: the map keeps its place and is read in another order."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        return [tuple(inputs[0][axis] for axis in self._axes(layer, len(inputs[0])))]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        _, order = emitter.stored(layer.inputs[0])
        axes = self._axes(layer, len(order))
        emitter.alias(layer.outputs[0], layer.inputs[0], tuple(axes.index(axis) for axis in order))

    def _axes(self, layer: Layer, rank: int) -> list[int]:
        return list(layer.attributes.get("perm", range(rank - 1, -1, -1)))


class Reshape:
    """RESHAPE, after a TRANSPOSE where axes that are to be merged do not lie side by side."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        sizes = as_ints(layer.constant(1), "sizes")
        if layer.attributes.get("allowzero", 0):
            raise NotOnNpu("allowzero is set")
        out = [inputs[0][i] if size == 0 else size for i, size in enumerate(sizes)]
        known = math.prod(size for size in out if size > 0)
        total = math.prod(inputs[0])
        out = [total // known if size < 0 else size for size in out]
        if math.prod(out) != total:
            raise NotOnNpu(f"it makes {tuple(out)} of {inputs[0]}")
        return [tuple(out)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        source, output = layer.inputs[0], layer.outputs[0]
        into, out = emitter.network.shapes[source], emitter.network.shapes[output]
        _, stored = emitter.stored(source)
        groups = _groups(into, out)
        # Groups follow each other as they end now; within one, ONNX's order counts.
        groups.sort(key=lambda group: max(stored.index(axis) for axis in group[0]))
        order = _with_units(into, [axis for merged, _ in groups for axis in merged])
        after = _with_units(out, [axis for _, split in groups for axis in split])
        x = emitter.read(source, _as_stored(into, stored, order))
        to = emitter.write(output, after)
        emitter.reshape(x, to, stored_shape(out, after), output)


def _groups(into: Shape, out: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes of both shapes that hold the same numbers; axes of 1 left out.

    E.g. (1, 6, 4, 5) to (1, 2, 3, 20): [([1], [1, 2]), ([2, 3], [3])].
    """
    left = [axis for axis, size in enumerate(into) if size != 1]
    right = [axis for axis, size in enumerate(out) if size != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while left:
        a, b = [left.pop(0)], [right.pop(0)]
        while (gap := math.prod(into[i] for i in a) - math.prod(out[i] for i in b)) != 0:
            (a if gap < 0 else b).append((left if gap < 0 else right).pop(0))
        groups.append((a, b))
    return groups


def _with_units(shape: Shape, order: list[int]) -> Order:
    """``order``, after the axes of size 1, which lie anywhere."""
    return (*(axis for axis, size in enumerate(shape) if size == 1), *order)


def _as_stored(shape: Shape, stored: Order, order: Order) -> Order:
    """``stored`` where it differs from ``order`` in axes of size 1 only: no need to move those."""
    real = [axis for axis in stored if shape[axis] != 1]
    return stored if real == [axis for axis in order if shape[axis] != 1] else order
