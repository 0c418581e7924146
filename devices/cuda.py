"""What runtimes without PyTorch need of CUDA, through NVIDIA's own bindings (cuda-bindings).

Nothing is imported before it is used: this floor also runs where there is neither package nor GPU.
All of it works on the first GPU that the process may see (CUDA_VISIBLE_DEVICES).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.errors import MeasurementFailed, Unsupported


def require() -> None:
    """Makes sure that there is a GPU which CUDA can use, and opens its context.

    Raises:
        Unsupported: there is none, no driver, or no package to ask with.
    """
    cuda = _bindings()
    status, count = cuda.cudaGetDeviceCount()
    if status != cuda.cudaError_t.cudaSuccess or not count:
        reason = "no device is visible" if not int(status) else _words(cuda, status)
        raise Unsupported(f"no CUDA GPU here: {reason}; NVIDIA's driver and a GPU are needed")
    call("cudaFree", 0)  # the cheapest call that opens the context


def call(name: str, *arguments: Any) -> Any:
    """What the runtime function ``name`` returns, without its status: None, a value or a tuple.

    Raises:
        MeasurementFailed: CUDA reports an error.
    """
    cuda = _bindings()
    status, *values = getattr(cuda, name)(*arguments)
    if status != cuda.cudaError_t.cudaSuccess:
        raise MeasurementFailed(f"CUDA: {name} failed: {_words(cuda, status)}")
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def bus_id() -> str:
    """The PCI bus id of the GPU, by which NVML knows it, too."""
    return str(call("cudaDeviceGetPCIBusId", 32, 0).split(b"\0")[0].decode())


def used_bytes() -> int:
    """Bytes of the GPU's memory that are taken, by whomever."""
    free, total = call("cudaMemGetInfo")
    return int(total) - int(free)


class Stream:
    """A stream of its own with the events that time what runs on it."""

    def __init__(self) -> None:
        flags = _bindings().cudaStreamNonBlocking
        self.handle = call("cudaStreamCreateWithFlags", flags)
        self._begin, self._end = call("cudaEventCreate"), call("cudaEventCreate")

    def timed(self, work: Callable[[], None]) -> float:
        """Milliseconds on the GPU from before to after what ``work`` puts into the stream."""
        call("cudaEventRecord", self._begin, self.handle)
        work()
        call("cudaEventRecord", self._end, self.handle)
        call("cudaEventSynchronize", self._end)
        return float(call("cudaEventElapsedTime", self._begin, self._end))

    def wait(self) -> None:
        """Returns when all that was put into the stream is done."""
        call("cudaStreamSynchronize", self.handle)

    def close(self) -> None:
        for event in (self._begin, self._end):
            call("cudaEventDestroy", event)
        call("cudaStreamDestroy", self.handle)


class Buffer:
    """Memory of the GPU for one tensor that stays at its address."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self._host: NDArray[Any] = np.zeros(shape, dtype)
        self.address = int(call("cudaMalloc", self._host.nbytes))

    def write(self, values: NDArray[Any], stream: Stream) -> None:
        """Copies an array of the tensor's shape to the GPU; done when it returns."""
        np.copyto(self._host, values)
        self._copy(self.address, self._host.ctypes.data, "cudaMemcpyHostToDevice", stream)

    def read(self, stream: Stream) -> NDArray[Any]:
        """A copy of what is there after all that the stream was given."""
        self._copy(self._host.ctypes.data, self.address, "cudaMemcpyDeviceToHost", stream)
        return self._host.copy()

    def close(self) -> None:
        call("cudaFree", self.address)

    def _copy(self, to: int, source: int, direction: str, stream: Stream) -> None:
        kind = getattr(_bindings().cudaMemcpyKind, direction)
        call("cudaMemcpyAsync", to, source, self._host.nbytes, kind, stream.handle)
        stream.wait()


class Graph:
    """What was put into a stream once, to be run again without the host's launches."""

    def __init__(self, stream: Stream, work: Callable[[], None]) -> None:
        mode = _bindings().cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call("cudaStreamBeginCapture", stream.handle, mode)
        work()
        self._graph = call("cudaStreamEndCapture", stream.handle)
        self._runs = call("cudaGraphInstantiate", self._graph, 0)
        self._stream = stream

    def launch(self) -> None:
        call("cudaGraphLaunch", self._runs, self._stream.handle)

    def close(self) -> None:
        call("cudaGraphExecDestroy", self._runs)
        call("cudaGraphDestroy", self._graph)


def _bindings() -> Any:
    try:
        from cuda.bindings import runtime
    except ModuleNotFoundError:
        raise Unsupported(
            "a CUDA GPU is asked for, but the Python package 'cuda-bindings' is not installed here"
        ) from None
    return runtime


def _words(cuda: Any, status: Any) -> str:
    _, text = cuda.cudaGetErrorString(status)
    return str(text.decode())
