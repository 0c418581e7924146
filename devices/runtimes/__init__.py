"""The runtimes, one module each. A device image holds only the one that it needs."""

from __future__ import annotations

import importlib

from devices.errors import Unsupported
from devices.runtimes.base import Runtime
from devices.targets import Target

# Module and class are looked up late: importing this package must not need any runtime.
RUNTIMES: dict[str, tuple[str, str]] = {
    "onnxruntime": ("devices.runtimes.onnxruntime", "OnnxRuntime"),
    "openvino": ("devices.runtimes.openvino", "OpenVino"),
    "litert": ("devices.runtimes.litert", "LiteRt"),
    "ncnn": ("devices.runtimes.ncnn", "Ncnn"),
    "torch": ("devices.runtimes.torch", "Torch"),
    "ethos_u": ("devices.runtimes.ethos_u", "EthosU"),
    "torch_cuda": ("devices.runtimes.torch_cuda", "TorchCuda"),
    "onnxruntime_cuda": ("devices.runtimes.onnxruntime_cuda", "OnnxRuntimeCuda"),
    "tensorrt": ("devices.runtimes.tensorrt", "TensorRt"),
}


def get(target: Target) -> Runtime:
    """The runtime that serves ``target``.

    Raises:
        Unsupported: its package is not installed on this machine.
    """
    module, name = RUNTIMES[target.runtime]
    try:
        runtime: Runtime = getattr(importlib.import_module(module), name)()
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"target {target.id} needs the Python package {error.name!r}; it is not installed here"
        ) from None
    return runtime
