"""The ONNX operators that the NPU's part may hold: their output shapes and their TFLite form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from devices.convert.tflite.arrangement import Add, Concat, Resize, Slice, Split
from devices.convert.tflite.layers import Layer, Shape
from devices.convert.tflite.windows import Conv, MaxPool

if TYPE_CHECKING:
    from devices.convert.tflite.emitter import Emitter


class Operator(Protocol):
    """One ONNX operator. ``shapes`` raises NotOnNpu for a form that TFLite or the NPU lacks."""

    def shapes(self, layer: Layer, inputs: Sequence[Shape]) -> list[Shape]: ...

    def emit(self, layer: Layer, emitter: Emitter) -> None: ...


OPERATORS: dict[str, Operator] = {
    "Add": Add(),
    "Concat": Concat(),
    "Conv": Conv(),
    "MaxPool": MaxPool(),
    "Resize": Resize(),
    "Slice": Slice(),
    "Split": Split(),
}
