"""The targets, as data: hardware class + runtime + precision + options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from devices.errors import BadRequest

Kind = Literal["measured", "modelled", "emulated"]


@dataclass(frozen=True)
class Target:
    """One row of the target table.

    ``runtime`` names the module in devices/runtimes that serves it. ``kind`` is printed beside
    every figure. ``memory`` says what the memory figure of this target means. ``verified`` is False
    until a machine with such hardware has passed the target's tests, and the site says so.
    """

    id: str
    title: str
    hardware: Literal["cpu", "npu", "gpu"]
    runtime: str
    precision: Literal["fp32", "fp16", "int8"]
    kind: Kind
    memory_unit: Literal["KiB", "MiB"]
    memory: str
    options: tuple[tuple[str, str], ...] = ()
    notes: str = ""
    verified: bool = True

    @property
    def needs_calibration(self) -> bool:
        """Whether a job for this target must carry calibration images."""
        return self.precision == "int8" and self.kind == "measured"

    @property
    def runs_onnx(self) -> bool:
        """Whether its artefacts are ONNX graphs, whose memory devices/memory.py plans."""
        return self.runtime in ("onnxruntime", "openvino")


_ARENA = "planned activation arena of the exported graph"


def _cpu(runtime: str, title: str, precision: Literal["fp32", "int8"], notes: str = "") -> Target:
    return Target(
        id=f"cpu-{runtime}-{precision}",
        title=f"CPU, {title}, {precision}",
        hardware="cpu",
        runtime=runtime,
        precision=precision,
        kind="measured",
        memory_unit="MiB",
        memory=_ARENA,
        notes=notes,
    )


def _ethos_u(accelerator: str, *, system: str, memory: str) -> Target:
    """A row for one Ethos-U; a figure of Vela means nothing without all three choices."""
    return Target(
        id=f"npu-{accelerator}-int8",
        title=f"Arm {accelerator.replace('ethos-u', 'Ethos-U')}, int8",
        hardware="npu",
        runtime="ethos_u",
        precision="int8",
        kind="modelled",
        memory_unit="KiB",
        memory="peak SRAM that Vela plans",
        options=(
            ("accelerator_config", accelerator),
            ("system_config", system),
            ("memory_mode", memory),
            ("lowering", "tflite"),
        ),
        notes="modelled by Arm Vela, not a board; SiLU lowered as LOGISTIC + MUL (TFLite)",
    )


def _gpu(runtime: str, title: str, precision: Literal["fp32", "fp16"], *, memory: str) -> Target:
    half = "; head decode in float32" if precision == "fp16" else "; no TF32"
    return Target(
        id=f"gpu-{runtime.replace('_', '-')}-{precision}",
        title=f"CUDA GPU, {title}, {precision}",
        hardware="gpu",
        runtime=runtime,
        precision=precision,
        kind="measured",
        memory_unit="MiB",
        memory=memory,
        notes=f"GPU time of one replayed CUDA graph, between two CUDA events; copies to and from "
        f"the host are not counted{half}",
        verified=False,
    )


_ALLOCATED = "peak of the GPU memory that PyTorch allocated, weights included"
_TAKEN = "peak of the GPU memory that the runtime took, above a bare CUDA context"
_LITERT = "TFLite file written from the ONNX, XNNPACK delegate"
_QDQ = "static QDQ, per channel, head decode in float"

TARGETS: tuple[Target, ...] = (
    _cpu("onnxruntime", "ONNX Runtime", "fp32"),
    _cpu("onnxruntime", "ONNX Runtime", "int8", _QDQ),
    _cpu("openvino", "OpenVINO", "fp32"),
    _cpu("openvino", "OpenVINO", "int8", f"{_QDQ}; the file is quantised by ONNX Runtime's tool"),
    _cpu("litert", "LiteRT", "fp32", _LITERT),
    _cpu(
        "litert",
        "LiteRT",
        "int8",
        f"{_LITERT}; full integer, weights per channel, head decode in float",
    ),
    _cpu("ncnn", "ncnn", "fp32", "converted by pnnx"),
    _cpu("torch", "PyTorch", "fp32", "torch.export archive, run eagerly"),
    # Feature maps stay in SRAM on all of them, so that the memory figures mean the same.
    _ethos_u("ethos-u55-128", system="Ethos_U55_High_End_Embedded", memory="Shared_Sram"),
    _ethos_u("ethos-u55-256", system="Ethos_U55_High_End_Embedded", memory="Shared_Sram"),
    _ethos_u("ethos-u65-512", system="Ethos_U65_High_End", memory="Shared_Sram"),
    _ethos_u("ethos-u85-256", system="Ethos_U85_SYS_DRAM_Mid", memory="Shared_Sram"),
    _ethos_u("ethos-u85-512", system="Ethos_U85_SYS_DRAM_Mid", memory="Shared_Sram"),
    _gpu("torch_cuda", "PyTorch", "fp32", memory=_ALLOCATED),
    _gpu("torch_cuda", "PyTorch", "fp16", memory=_ALLOCATED),
    _gpu("onnxruntime_cuda", "ONNX Runtime", "fp16", memory=_TAKEN),
    _gpu("tensorrt", "TensorRT", "fp16", memory=_TAKEN),
)

_BY_ID = {target.id: target for target in TARGETS}


def get(target_id: str) -> Target:
    """The target called ``target_id``.

    Raises:
        BadRequest: there is none; the message lists those that exist.
    """
    try:
        return _BY_ID[target_id]
    except KeyError:
        raise BadRequest(f"unknown target {target_id!r}; known: {', '.join(_BY_ID)}") from None
