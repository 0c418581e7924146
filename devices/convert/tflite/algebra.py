"""Layers that compute with whole feature maps: arithmetic, shares, products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import Layer, NotOnNpu, Order, Shape


class Elementwise:
    """ADD, SUB, MUL of two feature maps, or of one and a constant."""

    def __init__(self, kind: str, options: type) -> None:
        self._kind, self._options = kind, options

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        maps = iter(inputs)
        shapes = [next(maps) if value is None else value.shape for value in layer.operands]
        text = " and ".join(map(str, shapes))
        if len(shapes) != 2 or len({len(shape) for shape in inputs}) != 1:
            raise NotOnNpu(f"its operands {text} differ in rank")
        try:
            out = np.broadcast_shapes(*shapes)
        except ValueError:
            raise NotOnNpu(f"its operands {text} differ in shape") from None
        if len(out) != len(inputs[0]):
            raise NotOnNpu(f"its operands {text} differ in rank")
        return [tuple(int(size) for size in out)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        output = layer.outputs[0]
        _, order = emitter.stored(layer.inputs[0])
        maps = iter(layer.inputs)
        inputs = [
            emitter.read(next(maps), order)
            if value is None
            else emitter.constant(f"{output}#operand{i}", _laid(self.value(value), order))
            for i, value in enumerate(layer.operands)
        ]
        to = emitter.write(output, order)
        emitter.writer.operator(self._kind, inputs, [to], self._options())

    def value(self, constant: NDArray[Any]) -> NDArray[Any]:
        """What stands for a constant operand."""
        return constant


class Quotient(Elementwise):
    """Division by a constant, as MUL: int8 has no other."""

    def __init__(self) -> None:
        super().__init__("MUL", schema.MulOptionsT)

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        divisor = layer.constant(1)
        if divisor is None or not np.all(divisor):
            raise NotOnNpu("its divisor is not a constant other than 0")
        return super().shapes(layer, inputs)

    def value(self, constant: NDArray[Any]) -> NDArray[Any]:
        return 1 / constant.astype(np.float64)


class Sigmoid:
    """LOGISTIC: a gate or a score, not an activation site."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        return [inputs[0]]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        x, order = emitter.stored(layer.inputs[0])
        emitter.writer.operator("LOGISTIC", [x], [emitter.write(layer.outputs[0], order)])


class Softmax:
    """SOFTMAX, over the axis that is stored last."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        return [inputs[0]]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        _, order = emitter.stored(layer.inputs[0])
        axis = layer.attributes.get("axis", -1) % len(order)
        order = (*(other for other in order if other != axis), axis)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        inputs = [emitter.read(layer.inputs[0], order)]
        to = emitter.write(layer.outputs[0], order)
        emitter.writer.operator("SOFTMAX", inputs, [to], options)


class MatMul:
    """BATCH_MATMUL of two feature maps."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
        if len(inputs) != 2:
            raise NotOnNpu("one operand is a constant")
        (*batch, rows, inner), (*other, depth, columns) = inputs
        if batch != other or inner != depth:
            raise NotOnNpu(f"its operands {inputs[0]} and {inputs[1]} do not fit")
        return [(*batch, rows, columns)]

    def emit(self, layer: Layer, emitter: Emitter) -> None:
        # Of a matrix stored sideways TFLite is told so; its own order of axes costs nothing then.
        (a, a_turned), (b, b_turned) = (_matrix(emitter, name) for name in layer.inputs)
        rank = len(emitter.network.shapes[layer.outputs[0]])
        order = tuple(range(rank))
        options = schema.BatchMatMulOptionsT()
        if a_turned and b_turned:  # (A B)' = B' A', and both lie as their transposes
            a, b = b, a
            order = _sideways(order)
        else:
            options.adjX, options.adjY = a_turned, b_turned
        to = emitter.write(layer.outputs[0], order)
        emitter.writer.operator("BATCH_MATMUL", [a, b], [to], options)


def _matrix(emitter: Emitter, name: str) -> tuple[int, bool]:
    """The tensor of ``name`` with its two matrix axes last, and whether those are exchanged."""
    _, stored = emitter.stored(name)
    order = tuple(range(len(stored)))
    turned = stored.index(order[-1]) < stored.index(order[-2])
    return emitter.read(name, _sideways(order) if turned else order), turned


def _sideways(order: Order) -> Order:
    return (*order[:-2], order[-1], order[-2])


def _laid(values: NDArray[Any], order: Order) -> NDArray[Any]:
    """A constant with as many axes as the map beside it, in that map's order."""
    return values.reshape((1,) * (len(order) - values.ndim) + values.shape).transpose(order)
