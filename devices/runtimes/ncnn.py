"""ncnn on the CPU. The artefact is a zip of ncnn's two files, converted by pnnx."""

from __future__ import annotations

import json
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import ncnn
import numpy as np
import onnx
from numpy.typing import NDArray

from devices import memory as memory_of
from devices.convert import pnnx
from devices.errors import MeasurementFailed, Unsupported
from devices.files import atomic
from devices.graph import image_input
from devices.protocol import Memory, SiteTime
from devices.runtimes import ncnn_profile
from devices.runtimes.base import Artefact, Calibration, Image, Runtime
from devices.targets import Target

_FACTS, _PARAM, _BIN = "facts.json", "model.param", "model.bin"
# ncnn would store or compute in half precision where the processor can.
_HALF = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
)


class Ncnn(Runtime):
    """Serves cpu-ncnn-fp32."""

    name: ClassVar[str] = "ncnn"
    suffix: ClassVar[str] = ".ncnn"

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        graph = onnx.load(str(model))
        shape = image_input(graph).shape
        facts = {"shape": shape, "arena_bytes": memory_of.arena_bytes(graph, int8=False)}
        with tempfile.TemporaryDirectory(prefix="actnas-ncnn-") as folder:
            param, weights = pnnx.convert(model, Path(folder), shape=shape)
            if not _loads(_net(threads=1), param, weights):
                kinds = pnnx.layer_kinds(param)
                unknown = [kind for kind in kinds if ncnn.layer_to_index(kind) < 0]
                raise Unsupported(
                    f"target {target.id}: ncnn has no layer {', '.join(unknown) or 'of this form'}"
                )
            with atomic(out) as part, zipfile.ZipFile(part, "w") as archive:
                # An entry made from its name alone bears no date: equal content, equal file.
                archive.writestr(zipfile.ZipInfo(_FACTS), json.dumps(facts))
                archive.writestr(zipfile.ZipInfo(_PARAM), param.read_bytes())
                archive.writestr(zipfile.ZipInfo(_BIN), weights.read_bytes())
        return Artefact.of(out)

    def versions(self) -> dict[str, str]:
        return {package: version(package) for package in ("ncnn", "pnnx")}

    def open(self, artefact: Path, *, threads: int) -> _Session:
        net, facts, _ = _opened(artefact, threads)
        return _Session(net, tuple(facts["shape"]))

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        _, facts, _ = _opened(artefact, threads)
        planned = int(facts["arena_bytes"])
        return memory_of.cpu(artefact, target=target, threads=threads, planned=planned)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        if model == artefact:
            return []
        net, facts, param = _opened(artefact, threads)
        image = ncnn.Mat(np.full(facts["shape"][1:], 0.5, np.float32))
        return ncnn_profile.profile(net, param, image, model=onnx.load(str(model)), runs=runs)


class _Session:
    def __init__(self, net: ncnn.Net, shape: tuple[int, ...]) -> None:
        self._net: ncnn.Net | None = net
        self._outputs = list(net.output_names())
        self.shape = shape

    def run(self, image: Image) -> list[NDArray[Any]]:
        if self._net is None:
            raise MeasurementFailed("this session is closed")
        extractor = self._net.create_extractor()
        extractor.input(pnnx.INPUT, ncnn.Mat(image[0]))
        # ncnn knows no batch; what it returns lies in its own memory.
        return [np.array(extractor.extract(name)[1])[None] for name in self._outputs]

    def close(self) -> None:
        self._net = None


def _net(*, threads: int) -> ncnn.Net:
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.openmp_blocktime = 0  # threads that wait must not spin beside the next arm
    net.opt.use_vulkan_compute = False
    for option in _HALF:
        setattr(net.opt, option, False)
    return net


def _loads(net: ncnn.Net, param: Path, weights: Path) -> bool:
    return net.load_param(str(param)) == 0 and net.load_model(str(weights)) == 0


def _opened(artefact: Path, threads: int) -> tuple[ncnn.Net, dict[str, Any], str]:
    """The net, what was noted of it, and its layers as ncnn's text file has them."""
    try:
        with tempfile.TemporaryDirectory(prefix="actnas-ncnn-") as folder:
            with zipfile.ZipFile(artefact) as archive:
                facts = json.loads(archive.read(_FACTS))
                param = archive.read(_PARAM)
                for name, content in ((_PARAM, param), (_BIN, archive.read(_BIN))):
                    (Path(folder) / name).write_bytes(content)
            net = _net(threads=threads)
            if _loads(net, Path(folder) / _PARAM, Path(folder) / _BIN):
                return net, facts, param.decode()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise MeasurementFailed(f"ncnn cannot load {artefact.name}: {error}") from None
    raise MeasurementFailed(f"ncnn cannot load {artefact.name}: its layers do not fit its weights")
