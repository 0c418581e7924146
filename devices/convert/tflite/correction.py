"""Biases that make an int8 network's convolutions right on average."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from devices.convert.tflite import quantisation
from devices.convert.tflite.fusing import fused_sites
from devices.convert.tflite.layers import Layer
from devices.convert.tflite.lookup import lookup
from devices.convert.tflite.network import Network
from devices.convert.tflite.quantisation import Quantisation
from devices.convert.tflite.ranges import Ranges
from devices.convert.tflite.single import Map, Run, runner

# The walk holds a network's widest place for every image twice: 32 images of 320 x 320.
_MOST_PIXELS = 32 * 320 * 320
_LEAST_IMAGES = 4
_MOST_IMAGES = 32


def corrected_biases(
    model: onnx.ModelProto,
    network: Network,
    ranges: Ranges,
    images: NDArray[np.uint8],
    *,
    xnnpack: bool = False,
) -> dict[str, Map]:
    """{convolution's output: its bias}, so that int8 and fp32 agree in the mean of each channel.

    Rounded weights and feature maps shift what a convolution gives, most of all where images are
    flat, and later layers amplify the shift. So the network is walked layer by layer in fp32 and
    with int8 values side by side, and each bias takes up the mean difference that is left when all
    layers before it are corrected: bias correction on real images, after Nagel et al., "Data-Free
    Quantization Through Weight Equalization and Bias Correction" (2019). Activations round as
    LiteRT's built-in kernels do, which an NPU reproduces, or as those of its delegate ``xnnpack``.
    """
    chosen = _evenly(images)
    exact: dict[str, list[Map]] = {
        network.input: [image[None].astype(np.float32) / np.float32(255) for image in chosen]
    }
    rounded = {network.input: _round(exact[network.input], ranges.of(network.input))}
    waits = set(fused_sites(network))  # what a fused activation reads is never rounded
    reads = Counter(name for layer in network.layers for name in set(layer.inputs))
    biases: dict[str, Map] = {}
    for layer in network.layers:
        run = runner(layer, model, network.shapes)
        _step(layer, exact, run)
        if layer.kind == "Conv":
            name = layer.outputs[0]
            run = runner(layer, model, network.shapes, {1: _rounded_weights(layer)})
            _step(layer, rounded, run)
            shift = _mean(exact[name]) - _mean(rounded[name])
            bias = layer.constant(2)
            biases[name] = shift if bias is None else (bias + shift).astype(np.float32)
            rounded[name] = [value + shift.reshape(1, -1, 1, 1) for value in rounded[name]]
        elif layer.site is not None and layer.inputs[0] not in waits:
            source = ranges.of(layer.inputs[0])
            table = lookup(layer, ranges, xnnpack=xnnpack)
            rounded[layer.outputs[0]] = [
                table[source.quantise(x).astype(np.int16) + 128] for x in rounded[layer.inputs[0]]
            ]
        else:
            _step(layer, rounded, run)
        for name in layer.outputs:
            if name not in waits:
                rounded[name] = _round(rounded[name], ranges.of(name))
        for name in set(layer.inputs):
            reads[name] -= 1
            if not reads[name]:
                del exact[name], rounded[name]
    return biases


def _evenly(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count = _MOST_PIXELS // (images.shape[2] * images.shape[3])
    count = min(max(count, _LEAST_IMAGES), _MOST_IMAGES)
    return images[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))]


def _step(layer: Layer, values: dict[str, list[Map]], run: Run) -> None:
    results = [run(maps) for maps in zip(*(values[name] for name in layer.inputs), strict=True)]
    for i, name in enumerate(layer.outputs):
        values[name] = [result[i] for result in results]


def _round(values: Sequence[Map], quantisation: Quantisation) -> list[Map]:
    return [quantisation.rounded(value) for value in values]


def _mean(values: Sequence[Map]) -> Map:
    """Of each channel, over images and pixels."""
    return np.mean([value.mean((0, 2, 3), dtype=np.float64) for value in values], 0).astype(
        np.float32
    )


def _rounded_weights(layer: Layer) -> Map:
    weights = layer.constant(1)
    assert weights is not None
    integers, scales = quantisation.weights(weights.astype(np.float32, copy=False), 0)
    return integers.astype(np.float32) * scales.reshape(-1, 1, 1, 1)
