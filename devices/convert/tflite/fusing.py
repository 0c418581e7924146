"""Activations that TFLite's convolutions apply by themselves."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from devices.convert.tflite.layers import Layer
from devices.convert.tflite.network import Network

# What a convolution can do by itself.
FUSED: dict[str, int] = {
    "identity": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def fused_sites(network: Network) -> dict[str, Layer]:
    """{convolution's output: site} where the site is its only reader and TFLite can fuse it."""
    readers = network.readers()
    leaving = set(network.outputs)
    fused: dict[str, Layer] = {}
    for layer in network.layers:
        if layer.kind != "Conv" or layer.outputs[0] in leaving:
            continue
        following = readers[layer.outputs[0]]
        site = following[0].site if len(following) == 1 else None
        if site is not None and site.activation in FUSED:
            fused[layer.outputs[0]] = following[0]
    return fused
