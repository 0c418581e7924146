"""What the emitter knows of one layer, and how its window lies on a feature map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.graph import Site

Shape = tuple[int, ...]
Order = tuple[int, ...]  # stored axis i is ONNX axis order[i]
NHWC: Order = (0, 2, 3, 1)


def natural(rank: int) -> Order:
    """How TFLite stores a map of so many axes where nothing asks for more."""
    return NHWC if rank == 4 else tuple(range(rank))


def stored_shape(shape: Shape, order: Order) -> Shape:
    """``shape`` in stored order."""
    return tuple(shape[axis] for axis in order)


class NotOnNpu(Exception):
    """This form of an operator has no counterpart in the NPU's part; ``str()`` says why."""


@dataclass(frozen=True)
class Layer:
    """One ONNX node, or one activation site (``kind`` "Activation").

    ``inputs`` and ``outputs`` name feature maps. ``operands`` has one entry per ONNX input: the
    value of a constant, None for a feature map or an omitted input.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operands: tuple[NDArray[Any] | None, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    site: Site | None = None

    def constant(self, index: int) -> NDArray[Any] | None:
        """The constant at ONNX input ``index``, or None if there is none."""
        return self.operands[index] if index < len(self.operands) else None


@dataclass(frozen=True)
class Window:
    """Kernel, stride and dilation as (height, width); ``pads`` as (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]

    @classmethod
    def of(cls, layer: Layer, kernel: tuple[int, int]) -> Window:
        """The window of a Conv or MaxPool layer.

        Raises:
            NotOnNpu: the padding is not spelled out, or lets the window hang over the edge.
        """
        if layer.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b""):
            raise NotOnNpu("auto_pad is set; export explicit pads")
        if layer.attributes.get("ceil_mode", 0):
            raise NotOnNpu("ceil_mode is 1")
        height, width = layer.attributes.get("strides", (1, 1))
        dilation_h, dilation_w = layer.attributes.get("dilations", (1, 1))
        top, left, bottom, right = layer.attributes.get("pads", (0, 0, 0, 0))
        return cls(kernel, (height, width), (dilation_h, dilation_w), (top, left, bottom, right))

    def output(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that come out of a map of ``size``."""
        height, width = (
            (size[i] + self.pads[i] + self.pads[i + 2] - self._extent(i)) // self.stride[i] + 1
            for i in (0, 1)
        )
        if height < 1 or width < 1:
            raise NotOnNpu(f"its window {self.kernel} does not fit a {size[0]} x {size[1]} map")
        return height, width

    @property
    def pointwise(self) -> bool:
        """Whether it looks at one pixel at a time, so that it matters not where that lies."""
        return self.kernel == self.stride == (1, 1) and self.unpadded

    @property
    def unpadded(self) -> bool:
        return not any(self.pads)

    def same(self, size: tuple[int, int]) -> bool:
        """Whether TFLite's padding SAME pads a map of ``size`` exactly as ``pads`` does."""
        for i in (0, 1):
            out = -(-size[i] // self.stride[i])
            total = max((out - 1) * self.stride[i] + self._extent(i) - size[i], 0)
            if (self.pads[i], self.pads[i + 2]) != (total // 2, total - total // 2):
                return False
        return True

    def _extent(self, i: int) -> int:
        return (self.kernel[i] - 1) * self.dilation[i] + 1


def as_ints(values: NDArray[Any] | None, what: str) -> list[int]:
    """The integers of a constant operand.

    Raises:
        NotOnNpu: it is computed while the model runs.
    """
    if values is None:
        raise NotOnNpu(f"its {what} are not constants")
    return [int(value) for value in np.asarray(values).reshape(-1)]
