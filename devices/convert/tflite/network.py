"""A detector as layers that TFLite runs one after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from devices.convert.tflite.layers import Layer, Shape


@dataclass(frozen=True)
class Network:
    """Layers in running order. ``shapes`` are NCHW, of every feature map.

    ``outputs`` are the feature maps that leave the NPU, in running order; ``host`` names the
    nodes that stay on the host (a detector's decode).
    """

    input: str
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    shapes: dict[str, Shape]
    host: tuple[str, ...]

    def readers(self) -> dict[str, list[Layer]]:
        """The layers that read each feature map."""
        readers: dict[str, list[Layer]] = defaultdict(list)
        for layer in self.layers:
            for name in layer.inputs:
                readers[name].append(layer)
        return readers

    def has(self, activation: str) -> bool:
        """Whether a site runs ``activation``."""
        return any(layer.site and layer.site.activation == activation for layer in self.layers)

    def owners(self) -> dict[str, str]:
        """{feature map: site key}: a site owns its output and that of the convolution before it."""
        convolved = {layer.outputs[0] for layer in self.layers if layer.kind == "Conv"}
        owners: dict[str, str] = {}
        for layer in self.layers:
            if layer.site is not None:
                owners[layer.site.output] = layer.site.key
                if layer.site.input in convolved:
                    owners.setdefault(layer.site.input, layer.site.key)
        return owners

    def sites(self) -> list[tuple[str, Network]]:
        """Each site as a network of its own, by key: the convolution before it, and itself."""
        writer = {name: layer for layer in self.layers for name in layer.outputs}
        found = []
        for layer in self.layers:
            if layer.site is None:
                continue
            layers: tuple[Layer, ...] = (layer,)
            before = writer.get(layer.inputs[0])
            if before is not None and before.kind == "Conv":
                layers = (before, layer)
            part = Network(layers[0].inputs[0], layers, layer.outputs, self.shapes, ())
            found.append((layer.site.key, part))
        return found
