"""PyTorch on a CUDA GPU: torch.export archives, replayed as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export.passes import move_to_device_pass

from devices import memory as memory_of
from devices.convert.tflite import Network, read_whole
from devices.decode import decode_nodes
from devices.errors import MeasurementFailed, Unsupported
from devices.protocol import Memory, SiteTime
from devices.runtimes.base import Image
from devices.runtimes.torch import Detector, Torch, image_shape, load
from devices.targets import Target

_WARM_UP = 3


class TorchCuda(Torch):
    """Serves gpu-torch-cuda-*. Archives are those of cpu-torch, in float16 where the target is."""

    name: ClassVar[str] = "torch_cuda"
    one_thread: ClassVar[bool] = True

    def versions(self) -> dict[str, str]:
        return {**super().versions(), "cuda": str(torch.version.cuda)}

    def check(self) -> None:
        if not torch.cuda.is_available():
            raise Unsupported(
                f"no CUDA GPU that PyTorch {torch.__version__} can use here; NVIDIA's driver and a "
                "GPU are needed"
            )

    def open(self, artefact: Path, *, threads: int) -> _Session:  # type: ignore[override]
        self.check()
        torch.set_num_threads(threads)
        program = move_to_device_pass(load(artefact), "cuda")
        return _Session(program.module(), image_shape(program))

    def memory(self, artefact: Path, *, target: Target, threads: int) -> Memory:
        return memory_of.gpu(artefact, target=target, threads=threads)

    def profile(self, artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
        """See :meth:`Runtime.profile`. Between two layers that are launched one by one the GPU may
        wait for the host, so each site is a graph of its own; what is left of the whole model's
        time is "". Empty where ``model`` is the artefact itself.
        """
        self.check()
        if model == artefact:
            return []
        source = onnx.load(str(model))
        network = read_whole(source)
        # An archive in float16 holds its weights so; the image is float32 in both.
        half = any(t.dtype == torch.float16 for t in load(artefact).state_dict.values())
        wide = decode_nodes(source.graph) if half else None
        whole = self._median(network, wide, runs)
        found = [
            SiteTime(site=key, ms=self._median(part, wide, runs)) for key, part in network.sites()
        ]
        rest = max(whole - sum(entry.ms for entry in found), 0.0)
        return [*found, SiteTime(site="", ms=rest)]

    def _median(self, network: Network, wide: set[str] | None, runs: int) -> float:
        """Median ms on the GPU of a network on a grey image or map."""
        shape = network.shapes[network.input]
        session = _Session(Detector(network, wide=wide).cuda(), shape)
        try:
            values = np.full(shape, 0.5, np.float32)
            times = [session.timed(values) for _ in range(runs + _WARM_UP)]
        finally:
            session.close()
        return float(np.median(times[_WARM_UP:]))


class _Session:
    """A model whose kernels were put into a CUDA graph once; the host only starts that graph."""

    def __init__(
        self, model: Callable[[Tensor], tuple[Tensor, ...]], shape: tuple[int, ...]
    ) -> None:
        # A target called fp32 computes in float32: cuDNN's own default rounds to TensorFloat-32.
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        self.shape = shape
        self._image = torch.zeros(shape, device="cuda")
        self._begin, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.no_grad():
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):  # workspaces and algorithms are found before the capture
                    model(self._image)
            torch.cuda.current_stream().wait_stream(aside)
            self._graph: torch.cuda.CUDAGraph | None = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._outputs = model(self._image)
        self._model: Any = model  # the graph reads its weights

    def run(self, image: Image) -> list[NDArray[Any]]:
        graph = self._filled(image)
        graph.replay()
        return [output.cpu().numpy() for output in self._outputs]

    def timed(self, image: Image) -> float:
        graph = self._filled(image)
        self._begin.record()
        graph.replay()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end))

    def device_bytes(self) -> int:
        return int(torch.cuda.max_memory_allocated())

    def close(self) -> None:
        if self._graph is None:
            return
        torch.cuda.synchronize()
        self._graph.reset()
        self._graph = self._model = None
        self._outputs = ()
        torch.cuda.empty_cache()

    def _filled(self, image: Image) -> torch.cuda.CUDAGraph:
        if self._graph is None:
            raise MeasurementFailed("this session is closed")
        self._image.copy_(torch.from_numpy(image))
        return self._graph
