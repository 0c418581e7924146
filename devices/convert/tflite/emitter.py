"""Writes a network's layers as TFLite operators, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices.convert.tflite.activations import FUSED, emit_activation, fused_sites
from devices.convert.tflite.layers import Layer
from devices.convert.tflite.network import Network
from devices.convert.tflite.operators import OPERATORS
from devices.convert.tflite.quantisation import Quantisation
from devices.convert.tflite.ranges import Ranges
from devices.convert.tflite.writer import Writer

Lowering = Literal["tflite", "table"]


class Emitter:
    """One conversion. Operators find here the tensors they read and write.

    Feature maps are named after their ONNX tensor, helpers "<ONNX tensor>#<what>": so each
    operator of the file can be traced back to the layer it came from. ``biases`` {convolution's
    output: bias} take the place of the network's own.
    """

    def __init__(
        self,
        network: Network,
        ranges: Ranges,
        lowering: Lowering,
        biases: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.network = network
        self.biases = biases or {}
        self.ranges = ranges
        self.lowering = lowering
        self.writer = Writer()
        self._maps: dict[str, int] = {}
        self._fused = fused_sites(network)

    def run(self, metadata: Mapping[str, bytes]) -> bytes:
        """The TFLite file, with ``metadata`` in it."""
        first = self.map(self.network.input)
        absorbed = {site.outputs[0] for site in self._fused.values()}
        for layer in self.network.layers:
            if layer.kind != "Activation":
                OPERATORS[layer.kind].emit(layer, self)
            elif layer.outputs[0] not in absorbed:
                emit_activation(layer, self)
        outputs = [self.map(name) for name in self.network.outputs]
        return self.writer.finish([first], outputs, metadata)

    def map(self, name: str) -> int:
        """The tensor of an ONNX feature map."""
        if name not in self._maps:
            self._maps[name] = self.writer.feature_map(name, self.nhwc(name), self.ranges.of(name))
        return self._maps[name]

    def alias(self, name: str, source: str) -> None:
        """Makes ``name`` another name of the feature map ``source``: no operator."""
        self._maps[name] = self.map(source)

    def helper(self, name: str, shape: Sequence[int], quantisation: Quantisation) -> int:
        """A feature map that ONNX does not know; ``name`` is "<ONNX tensor>#<what>"."""
        return self.writer.feature_map(name, shape, quantisation)

    def numbers(self, name: str, values: Any) -> int:
        """An int32 operand: sizes, axes, paddings."""
        return self.writer.constant(name, np.asarray(values, np.int32))

    def nhwc(self, name: str) -> tuple[int, int, int, int]:
        """The shape of a feature map in TFLite's order."""
        n, c, h, w = self.network.shapes[name]
        return n, h, w, c

    def result(self, layer: Layer) -> tuple[str, int]:
        """The feature map that a convolution writes and its fused activation function.

        A site whose activation TFLite can fuse is absorbed by the convolution before it.
        """
        site = self._fused.get(layer.outputs[0])
        if site is None or site.site is None:
            return layer.outputs[0], FUSED["identity"]
        return site.outputs[0], FUSED[site.site.activation]
