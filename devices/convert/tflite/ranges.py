"""Which quantisation each feature map of a network gets."""

from __future__ import annotations

from collections.abc import Mapping

from devices.convert.tflite.network import Network
from devices.convert.tflite.quantisation import LOGISTIC_OUTPUT, Quantisation

# For costs alone: what a YOLO's maps roughly hold. The image is 0..1 by contract.
_FIXED_IMAGE = (0.0, 1.0)
_FIXED_MAP = (-1.0, 7.0)
_FIXED_BEFORE_ACTIVATION = (-8.0, 8.0)

# Layers whose int8 kernels copy values, or average them in their own steps: what goes in and what
# comes out share one quantisation.
_COPYING = (
    *("AveragePool", "Concat", "MaxPool", "Reshape", "Resize", "Slice", "Split", "Transpose"),
)
# Layers whose int8 output TFLite fixes to 0 .. 1.
_SHARES = ("Sigmoid", "Softmax")


class Ranges:
    """The quantisation of every feature map of a network.

    ``calibrated`` gives the (low, high) that each feature map took on calibration images. Without
    it every map gets a fixed range: good for costs, which do not depend on values, and for nothing
    else.

    Raises:
        KeyError: ``calibrated`` lacks a feature map.
    """

    def __init__(
        self, network: Network, calibrated: Mapping[str, tuple[float, float]] | None
    ) -> None:
        self.calibrated = calibrated is not None
        groups = _Groups()
        for layer in network.layers:
            alias = layer.site is not None and layer.site.activation == "identity"
            if layer.kind in _COPYING or alias:
                for name in (*layer.inputs, *layer.outputs):
                    groups.join(layer.outputs[0], name)
        before = {layer.inputs[0] for layer in network.layers if layer.site is not None}
        before |= set(network.outputs)
        merged: dict[str, tuple[float, float]] = {}
        for name in network.shapes:
            if calibrated is not None:
                low, high = calibrated[name]
            elif name == network.input:
                low, high = _FIXED_IMAGE
            else:
                low, high = _FIXED_BEFORE_ACTIVATION if name in before else _FIXED_MAP
            old = merged.get(groups.of(name), (low, high))
            merged[groups.of(name)] = (min(low, old[0]), max(high, old[1]))
        fixed = {groups.of(x.outputs[0]) for x in network.layers if x.kind in _SHARES}
        self._by_name = {
            name: LOGISTIC_OUTPUT
            if groups.of(name) in fixed
            else Quantisation.covering(*merged[groups.of(name)])
            for name in network.shapes
        }

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def of(self, name: str) -> Quantisation:
        """The quantisation of the feature map called ``name``."""
        return self._by_name[name]


class _Groups:
    """Disjoint sets of names."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def of(self, name: str) -> str:
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def join(self, a: str, b: str) -> None:
        self._parent[self.of(a)] = self.of(b)
