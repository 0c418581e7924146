"""The tensors of a conversion: what each layer's operators read and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices.convert.tflite.fusing import FUSED, fused_sites
from devices.convert.tflite.layers import NHWC, Layer, Order, natural, stored_shape
from devices.convert.tflite.network import Network
from devices.convert.tflite.quantisation import Quantisation
from devices.convert.tflite.ranges import Ranges
from devices.convert.tflite.writer import Writer

Lowering = Literal["tflite", "table"]


class Emitter:
    """One conversion. Operators find here the tensors they read and write.

    A feature map is int8 where ``ranges`` knows it, and float32 otherwise (all of them without
    ``ranges``); a layer computes in the arithmetic of what it writes. Each map is stored in an
    order of axes of its own: a Transpose, or a Reshape that keeps neighbours together, then costs
    little or nothing.

    Feature maps are named after their ONNX tensor, helpers "<ONNX tensor>#<what>": so each
    operator of the file can be traced back to the layer it came from. ``biases`` {convolution's
    output: bias} take the place of the network's own.
    """

    def __init__(
        self,
        network: Network,
        ranges: Ranges | None,
        lowering: Lowering = "tflite",
        biases: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.network = network
        self.biases = biases or {}
        self.lowering = lowering
        self.real = ranges is None  # whether the present layer computes in float32
        self.writer = Writer("fp32" if ranges is None else "int8")
        self._ranges = ranges
        self._stored: dict[tuple[str, bool], tuple[int, Order]] = {}
        self._turned: dict[tuple[str, bool, Order], int] = {}
        self.fused = fused_sites(network)

    def stored(self, name: str) -> tuple[int, Order]:
        """The tensor of feature map ``name`` as it lies there: stored axis i is ONNX axis order[i].

        An int8 map that is read in float32 is dequantised, once.
        """
        key = (name, self.real)
        if key not in self._stored:
            index, order = self._stored[name, False]
            shape = stored_shape(self.network.shapes[name], order)
            to = self.writer.feature_map(f"{name}#real", shape, None)
            self.writer.operator("DEQUANTIZE", [index], [to])
            self._stored[key] = to, order
        return self._stored[key]

    def read(self, name: str, order: Order | None = None) -> int:
        """The tensor that holds ``name`` in ``order`` (NHWC for four axes, else ONNX's own)."""
        shape = self.network.shapes[name]
        order = order or natural(len(shape))
        index, stored = self.stored(name)
        if stored == order:
            return index
        key = (name, self.real, order)
        if key not in self._turned:
            suffix = "".join(map(str, order))
            to = self.helper(f"{name}#{suffix}", stored_shape(shape, order), self.of(name))
            if _moved(shape, stored) == _moved(shape, order):
                self.reshape(index, to, stored_shape(shape, order), f"{name}#{suffix}")
            else:
                turn = [stored.index(axis) for axis in order]
                inputs = [index, self.numbers(f"{name}#{suffix}#axes", turn)]
                self.writer.operator("TRANSPOSE", inputs, [to])
            self._turned[key] = to
        return self._turned[key]

    def write(self, name: str, order: Order | None = None) -> int:
        """The tensor that an operator computes ``name`` into, stored in ``order``."""
        shape = self.network.shapes[name]
        order = order or natural(len(shape))
        key = (name, self.real)
        if key not in self._stored:
            index = self.writer.feature_map(name, stored_shape(shape, order), self.of(name))
            self._stored[key] = index, order
        return self._stored[key][0]

    def alias(self, name: str, source: str, order: Order | None = None) -> None:
        """Makes ``name`` another name of the feature map ``source``, read in ``order``."""
        index, stored = self.stored(source)
        self._stored[name, self.real] = index, order or stored

    def of(self, name: str) -> Quantisation | None:
        """The quantisation of ``name`` in the present layer; None in float32."""
        return None if self.real or self._ranges is None else self._ranges.of(name)

    def helper(self, name: str, shape: Sequence[int], quantisation: Quantisation | None) -> int:
        """A feature map that ONNX does not know; ``name`` is "<ONNX tensor>#<what>"."""
        return self.writer.feature_map(name, shape, None if self.real else quantisation)

    def numbers(self, name: str, values: Any) -> int:
        """An int32 operand: sizes, axes, paddings."""
        return self.writer.constant(name, np.asarray(values, np.int32))

    def constant(self, name: str, values: NDArray[Any]) -> int:
        """A real operand in the present arithmetic; int8 takes one scale for all of it."""
        values = values.astype(np.float32)
        if self.real:
            return self.writer.constant(name, values)
        quantisation = Quantisation.covering(float(values.min()), float(values.max()))
        scales = np.array([quantisation.scale], np.float32)
        return self.writer.constant(
            name, quantisation.quantise(values), scales=scales, zero_point=quantisation.zero_point
        )

    def reshape(self, source: int, to: int, shape: Sequence[int], name: str) -> None:
        """RESHAPE of the tensor ``source`` into ``to``."""
        self.writer.operator("RESHAPE", [source, self.numbers(f"{name}#shape", shape)], [to])

    def nhwc(self, name: str) -> tuple[int, int, int, int]:
        """The shape of a feature map in TFLite's order."""
        n, c, h, w = self.network.shapes[name]
        return n, h, w, c

    def result(self, layer: Layer) -> tuple[str, int]:
        """The feature map that a convolution writes and its fused activation function.

        A site whose activation TFLite can fuse is absorbed by the convolution before it.
        """
        site = self.fused.get(layer.outputs[0])
        if site is None or site.site is None:
            return layer.outputs[0], FUSED["identity"]
        return site.outputs[0], FUSED[site.site.activation]

    def is_real(self, name: str) -> bool:
        """Whether the feature map is float32."""
        return self._ranges is None or name not in self._ranges

    def image(self, *, real: bool) -> int:
        """The tensor of the image, NHWC; ``real``: float32, quantised where the network is int8."""
        name = self.network.input
        to = self.write(name, NHWC)
        if self.real or not real:
            return to
        image = self.writer.feature_map(f"{name}#real", self.nhwc(name), None)
        self.writer.operator("QUANTIZE", [image], [to])
        return image


def _moved(shape: Sequence[int], order: Order) -> list[int]:
    """The axes in stored order, less those of size 1, which lie anywhere."""
    return [axis for axis in order if shape[axis] != 1]
