"""The ONNX operators that a TFLite file may hold: their output shapes and their TFLite form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ai_edge_litert import schema_py_generated as schema

from devices.convert.tflite.algebra import Elementwise, MatMul, Quotient, Sigmoid, Softmax
from devices.convert.tflite.arrangement import Concat, Resize, Slice, Split
from devices.convert.tflite.emitter import Emitter
from devices.convert.tflite.layers import Layer, Shape
from devices.convert.tflite.shaping import Reshape, Transpose
from devices.convert.tflite.windows import Conv, ConvTranspose, Pool


class Operator(Protocol):
    """One ONNX operator. ``shapes`` raises NotOnNpu for a form that TFLite or the NPU lacks."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]: ...

    def emit(self, layer: Layer, emitter: Emitter) -> None: ...


OPERATORS: dict[str, Operator] = {
    "Add": Elementwise("ADD", schema.AddOptionsT),
    "AveragePool": Pool("AVERAGE_POOL_2D"),
    "Concat": Concat(),
    "Conv": Conv(),
    "ConvTranspose": ConvTranspose(),
    "Div": Quotient(),
    "MatMul": MatMul(),
    "MaxPool": Pool("MAX_POOL_2D"),
    "Mul": Elementwise("MUL", schema.MulOptionsT),
    "Reshape": Reshape(),
    "Resize": Resize(),
    "Sigmoid": Sigmoid(),
    "Slice": Slice(),
    "Softmax": Softmax(),
    "Split": Split(),
    "Sub": Elementwise("SUB", schema.SubOptionsT),
    "Transpose": Transpose(),
}
