"""PyTorch on the CPU: the graph as a torch.export archive. No other file here has torch."""

from __future__ import annotations

import io
import json
import time
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from devices import memory as memory_of
from devices.activations import LEAKY_SLOPE
from devices.attribution import site_times
from devices.convert.tflite import Network, read_whole
from devices.convert.tflite.arrangement import slice_bounds
from devices.convert.tflite.layers import Layer, Window
from devices.decode import decode_nodes
from devices.errors import MeasurementFailed
from devices.files import atomic
from devices.memory import Buffer, place
from devices.protocol import Memory, SiteTime
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.targets import Target

_WARM_UP = 3


class Torch(Runtime):
    """Serves cpu-torch-fp32. Archives are made here, from the ONNX, and run eagerly.

    An archive can hold pickles, which run code when they are read: :meth:`open` refuses one that
    does, so that only numbers and a graph of PyTorch's own operators are ever loaded.
    """

    name: ClassVar[str] = "torch"
    suffix: ClassVar[str] = ".pt2"

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        graph = onnx.load(str(model))
        network = read_whole(graph)
        half = target.precision == "fp16"
        detector = Detector(network, wide=decode_nodes(graph.graph) if half else None)
        image = torch.zeros(network.shapes[network.input])
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of its own deprecations
            program = torch.export.export(detector, (image,))
        program.example_inputs = None  # they would be pickled
        content = io.BytesIO()  # into a file it would write that file's name
        torch.export.save(program, content)
        with atomic(out) as part:
            part.write_bytes(content.getvalue())
        return Artefact.of(out)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__.partition("+")[0]}

    def open(self, artefact: Path, *, threads: int) -> _Session:
        torch.set_num_threads(threads)
        return _Session(load(artefact))

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.cpu(
            artefact, target=target, threads=threads, planned=_arena_bytes(load(artefact))
        )

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        if model == artefact:
            return []
        torch.set_num_threads(threads)
        network = read_whole(onnx.load(str(model)))
        detector = Detector(network)
        image = torch.full(network.shapes[network.input], 0.5)
        times: list[dict[str, float]] = []
        with torch.inference_mode():
            for _ in range(runs + _WARM_UP):
                times.append({})
                detector(image, times[-1])
        sites = [layer.site.key for layer in network.layers if layer.site is not None]
        return site_times(network.owners(), times[_WARM_UP:], sites=sites)


class _Session:
    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self._model: nn.Module | None = program.module()
        self.shape = image_shape(program)

    def run(self, image: Image) -> list[NDArray[Any]]:
        if self._model is None:
            raise MeasurementFailed("this session is closed")
        with torch.inference_mode():
            return [output.numpy() for output in self._model(torch.from_numpy(image))]

    def close(self) -> None:
        self._model = None


class Detector(nn.Module):
    """A network as PyTorch runs it, layer by layer; image and outputs are float32.

    With ``wide`` everything is computed in float16 but the layers that it names.
    """

    def __init__(self, network: Network, *, wide: Collection[str] | None = None) -> None:
        super().__init__()
        self.network = network
        self.last = {name: n for n, layer in enumerate(network.layers) for name in layer.inputs}
        self.types = [
            torch.float32 if wide is None or layer.name in wide else torch.float16
            for layer in network.layers
        ]
        for n, layer in enumerate(network.layers):
            for i, value in enumerate(layer.operands):
                if value is not None and np.issubdtype(value.dtype, np.floating):
                    tensor = torch.from_numpy(np.array(value, np.float32)).to(self.types[n])
                    self.register_buffer(f"operand_{n}_{i}", tensor)

    def forward(self, image: Tensor, times: dict[str, float] | None = None) -> tuple[Tensor, ...]:
        """The outputs. ``times`` takes the ms of each layer by the name of its first output."""
        maps = {self.network.input: image}
        for n, layer in enumerate(self.network.layers):
            start = time.perf_counter_ns()
            results = self._results(n, layer, maps)
            if times is not None:
                times[layer.outputs[0]] = (time.perf_counter_ns() - start) / 1e6
            maps.update(zip(layer.outputs, results, strict=True))
            for name in set(layer.inputs):
                if self.last[name] == n and name not in self.network.outputs:
                    del maps[name]
        return tuple(_as(maps[name], torch.float32) for name in self.network.outputs)

    def _results(self, n: int, layer: Layer, maps: Mapping[str, Tensor]) -> list[Tensor]:
        given = [_as(maps[name], self.types[n]) for name in layer.inputs]
        if layer.site is not None:
            return [_ACTIVATIONS[layer.site.activation](given[0])]
        weights = {
            i: getattr(self, f"operand_{n}_{i}")
            for i in range(len(layer.operands))
            if hasattr(self, f"operand_{n}_{i}")
        }
        shapes = [self.network.shapes[name] for name in layer.outputs]
        return _LAYERS[layer.kind](layer, given, weights, shapes)


def _as(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` in another type; no operator at all where it has that type."""
    return x if x.dtype == dtype else x.to(dtype)


_Weights = Mapping[int, Tensor]
_Shapes = Sequence[tuple[int, ...]]
_Layer = Callable[[Layer, list[Tensor], _Weights, _Shapes], list[Tensor]]


def _conv(layer: Layer, maps: list[Tensor], weights: _Weights, _: _Shapes) -> list[Tensor]:
    window = Window.of(layer, (weights[1].shape[2], weights[1].shape[3]))
    top, left, bottom, right = window.pads
    x, padding = maps[0], (top, left)
    if (top, left) != (bottom, right):
        x, padding = functional.pad(x, (left, right, top, bottom)), (0, 0)
    group = int(layer.attributes.get("group", 1))
    bias = weights.get(2)
    stride, dilation = window.stride, window.dilation
    return [functional.conv2d(x, weights[1], bias, stride, padding, dilation, group)]


def _conv_transpose(
    layer: Layer, maps: list[Tensor], weights: _Weights, _: _Shapes
) -> list[Tensor]:
    window = Window.of(layer, (weights[1].shape[2], weights[1].shape[3]))  # read without pads
    return [functional.conv_transpose2d(maps[0], weights[1], weights.get(2), window.stride)]


def _average_pool(layer: Layer, maps: list[Tensor], _: _Weights, __: _Shapes) -> list[Tensor]:
    height, width = layer.attributes["kernel_shape"]
    window = Window.of(layer, (height, width))
    pads = window.pads[:2]  # read alike on both sides, and not counted
    return [functional.avg_pool2d(maps[0], window.kernel, window.stride, pads, False, False)]


def _max_pool(layer: Layer, maps: list[Tensor], _: _Weights, __: _Shapes) -> list[Tensor]:
    height, width = layer.attributes["kernel_shape"]
    window = Window.of(layer, (height, width))
    top, left, bottom, right = window.pads
    if (top, left) == (bottom, right):
        return [functional.max_pool2d(maps[0], window.kernel, window.stride, (top, left))]
    x = functional.pad(maps[0], (left, right, top, bottom), value=-float("inf"))
    return [functional.max_pool2d(x, window.kernel, window.stride)]


def _slice(layer: Layer, maps: list[Tensor], _: _Weights, __: _Shapes) -> list[Tensor]:
    x = maps[0]
    begin, end = slice_bounds(layer, tuple(x.shape))
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        if (first, last) != (0, x.shape[axis]):
            x = x.narrow(axis, first, last - first)
    return [x]


def _split(layer: Layer, maps: list[Tensor], _: _Weights, shapes: _Shapes) -> list[Tensor]:
    axis = int(layer.attributes.get("axis", 0))
    return list(maps[0].split([shape[axis] for shape in shapes], axis))


def _elementwise(function: Callable[[Tensor, Tensor], Tensor]) -> _Layer:
    def run(layer: Layer, maps: list[Tensor], weights: _Weights, _: _Shapes) -> list[Tensor]:
        given = iter(maps)
        a, b = (weights[i] if i in weights else next(given) for i in range(2))
        return [function(a, b)]

    return run


def _transpose(layer: Layer, maps: list[Tensor], _: _Weights, __: _Shapes) -> list[Tensor]:
    rank = maps[0].ndim
    return [maps[0].permute(tuple(layer.attributes.get("perm", range(rank - 1, -1, -1))))]


def _softmax(layer: Layer, maps: list[Tensor], _: _Weights, __: _Shapes) -> list[Tensor]:
    return [torch.softmax(maps[0], int(layer.attributes.get("axis", -1)))]


_LAYERS: dict[str, _Layer] = {
    "Add": _elementwise(torch.add),
    "AveragePool": _average_pool,
    "Concat": lambda layer, maps, _, __: [torch.cat(maps, layer.attributes["axis"])],
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _elementwise(torch.div),
    "MatMul": _elementwise(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _elementwise(torch.mul),
    "Reshape": lambda _, maps, __, shapes: [maps[0].reshape(shapes[0])],
    "Resize": lambda _, maps, __, shapes: [functional.interpolate(maps[0], shapes[0][2:])],
    "Sigmoid": lambda _, maps, __, ___: [torch.sigmoid(maps[0])],
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sub": _elementwise(torch.sub),
    "Transpose": _transpose,
}

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": lambda x: functional.leaky_relu(x, LEAKY_SLOPE),
    "silu": functional.silu,
    "hardswish": functional.hardswish,
    "gelu": functional.gelu,
    "mish": functional.mish,
    "elu": functional.elu,
    "selu": functional.selu,
    "tanh": torch.tanh,
    "hardsigmoid": functional.hardsigmoid,
    "identity": lambda x: x,
}


def image_shape(program: torch.export.ExportedProgram) -> tuple[int, ...]:
    """[1, 3, h, w] of the image that a program takes."""
    (image,) = program.graph_signature.user_inputs
    (node,) = (node for node in program.graph.nodes if node.name == image)
    return tuple(node.meta["val"].shape)


def load(artefact: Path) -> torch.export.ExportedProgram:
    """The program of an archive without pickles.

    Raises:
        MeasurementFailed: it is no such archive, or holds a pickle.
    """
    try:
        with zipfile.ZipFile(artefact) as archive:
            pickled = _pickles(archive)
        if not pickled:
            return torch.export.load(str(artefact))
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RuntimeError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise MeasurementFailed(f"PyTorch cannot load {artefact.name}: {text[:200]}") from None
    raise MeasurementFailed(
        f"PyTorch will not load {artefact.name}: {pickled[0]} may hold a pickle, which can run code"
    )


def _pickles(archive: zipfile.ZipFile) -> list[str]:
    """Members that torch.export.load would unpickle, or that are not known to be plain numbers."""
    found = []
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        if name.name.endswith("_config.json"):
            entries = json.loads(archive.read(member))["config"]
            if any(e["use_pickle"] or not _is_plain(e["path_name"]) for e in entries.values()):
                found.append(member.filename)
        elif name.suffix == ".pt" and member.file_size:
            found.append(member.filename)
    return found


def _is_plain(payload: str) -> bool:
    return payload.startswith(("weight_", "tensor_"))


def _arena_bytes(program: torch.export.ExportedProgram) -> int:
    """Bytes of the tensors of one eager inference: nothing is computed in place, views are free."""
    nodes = list(program.graph.nodes)
    order = {node: i for i, node in enumerate(nodes)}
    owner: dict[torch.fx.Node, Buffer] = {}
    buffers: list[Buffer] = []
    for i, node in enumerate(nodes):
        if node.op != "call_function":
            continue
        end = max((order[user] for user in node.users), default=i)
        source = next((n for n in node.all_input_nodes if n in owner), None)
        value = node.meta["val"]
        if _is_view(node) or not isinstance(value, Tensor):
            if source is not None:
                owner[node] = owner[source]
                owner[node].last = max(owner[node].last, end)
            continue
        owner[node] = Buffer(value.numel() * value.element_size(), i, end)
        buffers.append(owner[node])
    return place(buffers)


def _is_view(node: torch.fx.Node) -> bool:
    target = str(getattr(node.target, "__name__", node.target))
    return target.partition(".")[0] in _VIEWS


_VIEWS = ("alias", "getitem", "narrow", "permute", "slice", "split_with_sizes", "view", "reshape")
