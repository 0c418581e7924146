"""NVIDIA TensorRT: float16, replayed as a CUDA graph. Engines are built on the device itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import onnx
from numpy.typing import NDArray

from devices import cuda
from devices import memory as memory_of
from devices.attribution import Owned, owned_nodes, site_times
from devices.convert import onnx_file
from devices.errors import MeasurementFailed, Unsupported
from devices.protocol import Memory, SiteTime
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.targets import Target

_WARM_UP = 3


class TensorRt(Runtime):
    """Serves gpu-tensorrt-fp16. The artefact is an ONNX file in float16, whose types TensorRT keeps
    (a strongly typed network). An engine fits one GPU and differs from build to build, so it is no
    artefact: a measurement builds one for each file and loads it anew in every block.
    """

    name: ClassVar[str] = "tensorrt"
    suffix: ClassVar[str] = ".onnx"
    one_thread: ClassVar[bool] = True

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        return onnx_file.convert(model, target=target, out=out, calibration=calibration)

    def versions(self) -> dict[str, str]:
        converter = {name: version(name) for name in ("onnx", "onnxruntime")}
        return {"tensorrt": str(_tensorrt().__version__), **converter}

    def check(self) -> None:
        _tensorrt()
        cuda.require()

    def open(self, artefact: Path, *, threads: int) -> _Session:
        return self.opener(artefact, threads=threads)()

    def opener(self, artefact: Path, *, threads: int) -> Callable[[], _Session]:
        """Builds the engine once; sessions load it. Building takes seconds to minutes."""
        self.check()
        engine = _build(artefact)
        return lambda: _Session(engine)

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.gpu(artefact, target=target, threads=threads)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        if model == artefact:
            return []
        self.check()
        trt = _tensorrt()
        session = _Session(_build(artefact))
        times: list[dict[str, float]] = []

        class Profiler(trt.IProfiler):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                trt.IProfiler.__init__(self)

            def report_layer_time(self, layer_name: str, ms: float) -> None:
                times[-1][layer_name] = times[-1].get(layer_name, 0.0) + ms

        try:
            layers = session.layers()
            profiler = Profiler()
            for _ in range(runs + _WARM_UP):
                times.append({})
                session.run_profiled(profiler)
        finally:
            session.close()
        owned = owned_nodes(onnx.load(model))
        owners = owners_of(layers, owned)
        return site_times(owners, times[_WARM_UP:], sites=[each.site.key for each in owned])


class _Session:
    def __init__(self, engine: bytes) -> None:
        trt = _tensorrt()
        self._before = cuda.used_bytes()
        self._runtime = trt.Runtime(_logger(trt))
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise MeasurementFailed("TensorRT cannot load the engine that it has built")
        self._context = self._engine.create_execution_context()
        self._stream = cuda.Stream()
        self._outputs: list[cuda.Buffer] = []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            shape = tuple(int(size) for size in self._engine.get_tensor_shape(name))
            buffer = cuda.Buffer(shape, trt.nptype(self._engine.get_tensor_dtype(name)))
            self._context.set_tensor_address(name, buffer.address)
            if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                self._image, self.shape = buffer, shape
            else:
                self._outputs.append(buffer)
        self._enqueue()  # what a context does only once must not be in the graph
        self._stream.wait()
        self._graph: cuda.Graph | None = cuda.Graph(self._stream, self._enqueue)

    def run(self, image: Image) -> list[NDArray[Any]]:
        self._image.write(image, self._stream)
        self._open_graph().launch()
        return [output.read(self._stream) for output in self._outputs]

    def timed(self, image: Image) -> float:
        self._image.write(image, self._stream)
        return self._stream.timed(self._open_graph().launch)

    def device_bytes(self) -> int:
        # Weights, and scratch memory for the whole of an inference, are taken when it is loaded.
        return cuda.used_bytes() - self._before

    def run_profiled(self, profiler: Any) -> None:
        """Runs once without the graph; ``profiler`` is told each layer's time."""
        self._context.profiler = profiler
        self._enqueue()
        self._stream.wait()

    def layers(self) -> dict[str, str]:
        """{layer: all that the engine tells of where it comes from}."""
        trt = _tensorrt()
        inspector = self._engine.create_engine_inspector()
        return layers_of(inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        if self._graph is None:
            return
        self._stream.wait()
        self._graph.close()
        self._graph = self._context = self._engine = self._runtime = None
        for buffer in (self._image, *self._outputs):
            buffer.close()
        self._stream.close()

    def _open_graph(self) -> cuda.Graph:
        if self._graph is None:
            raise MeasurementFailed("this session is closed")
        return self._graph

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise MeasurementFailed("TensorRT did not run; its own log says why")


def layers_of(information: str) -> dict[str, str]:
    """{layer: its name and metadata} in an engine inspector's JSON.

    A layer is an object with "Name" and "Metadata" where the engine was built with detailed
    profiling, else only its name.
    """
    found = {}
    for layer in json.loads(information)["Layers"]:
        if isinstance(layer, str):
            found[layer] = layer
        else:
            found[str(layer["Name"])] = f"{layer['Name']} {layer.get('Metadata', '')}"
    return found


def owners_of(layers: dict[str, str], owned: Sequence[Owned]) -> dict[str, str]:
    """{layer: site key} of the layers that hold a node of a site; of several sites the last.

    Raises:
        MeasurementFailed: no layer is left for a site: TensorRT runs it together with the next.
    """
    site_of = {name: each.site.key for each in owned for name in each.nodes}
    site_of |= {each.feeder: each.site.key for each in owned if each.feeder is not None}
    order = {each.site.key: n for n, each in enumerate(owned)}
    owners = {}
    for layer, told in layers.items():
        # Names of ONNX nodes hold slashes and dots; TensorRT joins them by spaces and brackets.
        sites = {site_of[word] for word in re.split(r"[\s()\[\],+{}]+", told) if word in site_of}
        if sites:
            owners[layer] = max(sites, key=order.__getitem__)
    missing = [each.site.key for each in owned if each.site.key not in set(owners.values())]
    if missing:
        raise MeasurementFailed(f"TensorRT's engine has no layer for site {missing[0]!r} alone")
    return owners


def _build(artefact: Path) -> bytes:
    """The serialized engine of an ONNX file.

    Raises:
        Unsupported: TensorRT does not take an operator; named.
        MeasurementFailed: no engine could be built.
    """
    trt = _tensorrt()
    logger = _logger(trt)
    builder = trt.Builder(logger)
    # TensorRT 10 has to be asked for it, 11 knows nothing else.
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(artefact.read_bytes()):
        said = " ".join(str(parser.get_error(0).desc()).split()) if parser.num_errors else "no word"
        raise Unsupported(f"TensorRT cannot take {artefact.name}: {said[:300]}")
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # names and origins of layers
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise MeasurementFailed(f"TensorRT built no engine for {artefact.name}")
    return bytes(engine)


def _tensorrt() -> Any:
    try:
        import tensorrt
    except ModuleNotFoundError:
        raise Unsupported(
            "target gpu-tensorrt-fp16 needs the Python package 'tensorrt'; it is not installed here"
        ) from None
    return tensorrt


def _logger(trt: Any) -> Any:
    return trt.Logger(trt.Logger.ERROR)
