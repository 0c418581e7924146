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
    every figure. ``memory`` says what the memory figure of this target means.
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

    @property
    def needs_calibration(self) -> bool:
        """Whether a job for this target must carry calibration images."""
        return self.precision == "int8" and self.kind == "measured"


_ARENA = "planned activation arena of the exported graph"

TARGETS: tuple[Target, ...] = (
    Target(
        "cpu-onnxruntime-fp32",
        "CPU, ONNX Runtime, fp32",
        "cpu",
        "onnxruntime",
        "fp32",
        "measured",
        "MiB",
        _ARENA,
    ),
    Target(
        "cpu-onnxruntime-int8",
        "CPU, ONNX Runtime, int8",
        "cpu",
        "onnxruntime",
        "int8",
        "measured",
        "MiB",
        _ARENA,
        notes="static QDQ, per channel, head decode in float",
    ),
    Target(
        "cpu-openvino-fp32",
        "CPU, OpenVINO, fp32",
        "cpu",
        "openvino",
        "fp32",
        "measured",
        "MiB",
        _ARENA,
    ),
    Target(
        "npu-ethos-u55-128-int8",
        "Arm Ethos-U55-128, int8",
        "npu",
        "ethos_u",
        "int8",
        "modelled",
        "KiB",
        "peak SRAM that Vela plans",
        options=(
            ("accelerator_config", "ethos-u55-128"),
            ("system_config", "Ethos_U55_High_End_Embedded"),
            ("memory_mode", "Shared_Sram"),
            ("lowering", "tflite"),
        ),
        notes="modelled by Arm Vela, not a board; SiLU lowered as LOGISTIC + MUL (TFLite)",
    ),
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
