"""Time per site in ncnn: how long it takes from one blob of the net to the next."""

from __future__ import annotations

import time
from dataclasses import dataclass

import ncnn
import numpy as np
import onnx

from devices.attribution import owned_nodes, site_times
from devices.convert import pnnx
from devices.errors import MeasurementFailed
from devices.graph_basics import label
from devices.protocol import SiteTime

_WARM_UP = 3
_AS_IT_LIES = 1  # extract without unpacking the blob
_CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")
_ACTIVATIONS = frozenset(
    ["Clip", "ELU", "GELU", "HardSigmoid", "HardSwish", "Mish", "ReLU", "SELU", "Swish", "TanH"]
)
_GATES = ("HardSigmoid", "Sigmoid")


@dataclass(frozen=True)
class _Layer:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: dict[str, str]


def profile(
    net: ncnn.Net, param: str, image: ncnn.Mat, *, model: onnx.ModelProto, runs: int
) -> list[SiteTime]:
    """Median ms per site, in graph order, then the rest as "".

    ncnn's Python package has no profiler, but computes no further than it is asked: the input of a
    site's convolution is asked for, and then the site's output.

    Raises:
        MeasurementFailed: a site follows no convolution, or the net's convolutions are not the
            graph's in the same order.
    """
    spans = _spans(_layers(param), model)
    times: list[dict[str, float]] = []
    for _ in range(runs + _WARM_UP):
        times.append({})
        extractor = net.create_extractor()
        extractor.input(pnnx.INPUT, image)
        for number, (before, after, site) in enumerate(spans):
            times[-1][f"{number} before"] = _ms(extractor, before)
            times[-1][site] = _ms(extractor, after)
        times[-1]["end"] = sum(_ms(extractor, name) for name in net.output_names())
    sites = [each.site.key for each in owned_nodes(model)]
    return site_times({site: site for site in sites}, times[_WARM_UP:], sites=sites)


def _ms(extractor: ncnn.Extractor, blob: str) -> float:
    start = time.perf_counter_ns()
    extractor.extract(blob, _AS_IT_LIES)
    return (time.perf_counter_ns() - start) / 1e6


def _spans(layers: list[_Layer], model: onnx.ModelProto) -> list[tuple[str, str, str]]:
    """(blob before, blob after, site) of every site, in the net's order."""
    convolutions = [layer for layer in layers if layer.kind in _CONVOLUTIONS]
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    wanted = [(weights[n.input[1]][0], int(np.prod(weights[n.input[1]]))) for n in nodes]
    found = [(int(c.parameters["0"]), int(c.parameters["6"])) for c in convolutions]
    if wanted != found:
        raise MeasurementFailed("ncnn's convolutions are not those of the graph, in its order")
    readers = {name: layer for layer in layers for name in layer.inputs}
    of = {label(node): layer for node, layer in zip(nodes, convolutions, strict=True)}
    spans = []
    for each in owned_nodes(model):
        if each.feeder not in of:
            raise MeasurementFailed(f"site {each.site.key!r} follows no convolution in ncnn's net")
        convolution = of[each.feeder]
        spans.append((convolution.inputs[0], _end(convolution, readers), each.site.key))
    return spans


def _end(convolution: _Layer, readers: dict[str, _Layer]) -> str:
    """The blob that a site writes: of the convolution itself where the activation is fused."""
    (out,) = convolution.outputs
    following = readers.get(out)
    if following is not None and following.kind in _ACTIVATIONS:
        return following.outputs[0]
    if following is not None and following.kind == "Split":  # x and its gate, then their product
        gates = [readers[name] for name in following.outputs if readers[name].kind in _GATES]
        if len(gates) == 1 and len(following.outputs) == 2:
            return readers[gates[0].outputs[0]].outputs[0]
    return out


def _layers(param: str) -> list[_Layer]:
    found = []
    for line in param.splitlines()[2:]:
        kind, _, into, out, *rest = line.split()
        n, m = int(into), int(out)
        found.append(
            _Layer(
                kind,
                tuple(rest[:n]),
                tuple(rest[n : n + m]),
                dict(entry.split("=", 1) for entry in rest[n + m :]),
            )
        )
    return found
