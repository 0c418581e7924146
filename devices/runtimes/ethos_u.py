"""Arm Ethos-U: int8 TFLite, costed by Arm Vela. Every figure is modelled; no board is used."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import onnx
from ai_edge_litert import schema_py_generated as schema

from devices.convert import tflite
from devices.convert.tflite.metadata import CALIBRATED, read_metadata
from devices.errors import Unsupported
from devices.files import atomic
from devices.protocol import Memory, SiteTime
from devices.runtimes import vela
from devices.runtimes.base import Artefact, Calibration, Modelled, Runtime, Session
from devices.runtimes.ethos_u_values import Int8Session
from devices.runtimes.vela import Configuration, Estimate
from devices.targets import Target

_PACKAGES = ("ethos-u-vela", "ai-edge-litert", "onnx", "onnxruntime", "numpy")
_LOWERINGS: dict[str, tflite.Lowering] = {"tflite": "tflite", "table": "table"}
_LOWERING_NOTES = {
    "tflite": "SiLU is lowered as LOGISTIC + MUL, as TFLite has it; "
    "latency_ms_silu_table is the same model with SiLU as one table operator (TOSA route)",
    "table": "SiLU is lowered as one table operator (TOSA route), costed as HARD_SWISH",
}
_HOST_NOTE = (
    "the NPU runs the network up to the last convolution of each head branch; the decode of boxes "
    "and classes runs on the host and is not counted"
)
_FIXED_NOTE = "cost model only: ranges not calibrated; the mAP beside it is the fp32 file's"
_CALIBRATED_NOTE = (
    "int8 ranges calibrated and biases corrected on images; that does not move the modelled figures"
)
_TABLE = "latency_ms_silu_table"


class EthosU(Runtime):
    """Converts the NPU's part of a detector to TFLite and lets Vela model its cost."""

    name: ClassVar[str] = "ethos_u"
    suffix: ClassVar[str] = ".tflite"
    one_thread: ClassVar[bool] = True
    converts_on_one_thread: ClassVar[bool] = True

    def convert(
        self, model: Path, *, target: Target, out: Path, calibration: Calibration | None
    ) -> Artefact:
        """See :meth:`Runtime.convert`. Costs need no calibration; running the file does."""
        lowering = _lowering(target)
        converted = tflite.convert(onnx.load(str(model)), lowering=lowering, images=calibration)
        with atomic(out) as part:
            part.write_bytes(converted.content)
        return Artefact.of(
            out,
            lowering=lowering,
            ranges_calibrated=converted.calibrated,
            npu_outputs=list(converted.network.outputs),
            host_nodes=len(converted.network.host),
        )

    def versions(self) -> dict[str, str]:
        return {package: version(package) for package in _PACKAGES}

    def open(self, artefact: Path, *, threads: int) -> Session:
        """A session that gives the values of a calibrated artefact, for scoring.

        Raises:
            Unsupported: the artefact was converted without calibration images.
        """
        return Int8Session(artefact.read_bytes(), threads=threads)

    def estimate(self, artefact: Path, *, model: Path, target: Target) -> Modelled:
        """Vela's estimate of ``artefact``.

        The profile is in graph order, the rest last as ""; it sums up to the latency. It is empty
        where ``model`` is the artefact itself: nothing tells sites there. Details hold
        ``latency_ms_silu_table``: what the same model takes with SiLU as one table.

        Raises:
            Unsupported: an operator would fall back to the CPU, or an option is unknown.
        """
        configuration = _configuration(target)
        lowering = _lowering(target)
        content = artefact.read_bytes()
        estimate = vela.estimate(content, configuration)
        as_table = tflite.silu_as_table(content)
        table = estimate if as_table is content else vela.estimate(as_table, configuration)
        calibrated = CALIBRATED in read_metadata(content)
        return Modelled(
            latency_ms=estimate.latency_ms,
            memory=Memory(value=estimate.peak_sram / 1024, unit="KiB", meaning=target.memory),
            profile=[] if model == artefact else _profile(estimate, content, model),
            details={
                "accelerator_config": configuration.accelerator,
                "system_config": configuration.system,
                "memory_mode": configuration.memory,
                "lowering": lowering,
                _TABLE: table.latency_ms,
                "peak_sram_kib_silu_table": table.peak_sram / 1024,
                "cycles": estimate.cycles,
                "macs": estimate.macs,
                "npu_kernels": len(estimate.kernels),
            },
            notes=[
                f"modelled by Arm Vela {version('ethos-u-vela')} ({configuration}), not a board",
                _LOWERING_NOTES[lowering],
                _CALIBRATED_NOTE if calibrated else _FIXED_NOTE,
                _HOST_NOTE,
            ],
        )

    def compare(self, arm: Modelled, baseline: Modelled) -> dict[str, Any]:
        """``ratio_to_silu_table_baseline``: the ratio if SiLU were one table in both models."""
        return {"ratio_to_silu_table_baseline": arm.details[_TABLE] / baseline.details[_TABLE]}


def _option(target: Target, name: str) -> str:
    options = dict(target.options)
    if name not in options:
        raise Unsupported(f"target {target.id} has no option {name!r}; Vela needs it")
    return options[name]


def _configuration(target: Target) -> Configuration:
    return Configuration(
        accelerator=_option(target, "accelerator_config"),
        system=_option(target, "system_config"),
        memory=_option(target, "memory_mode"),
    )


def _lowering(target: Target) -> tflite.Lowering:
    value = _option(target, "lowering")
    if value not in _LOWERINGS:
        known = ", ".join(_LOWERINGS)
        raise Unsupported(f"target {target.id}: lowering {value!r} is unknown; known: {known}")
    return _LOWERINGS[value]


def _profile(estimate: Estimate, content: bytes, model: Path) -> list[SiteTime]:
    """Time of each site: its activation's kernels and the convolution before it."""
    network = tflite.read(onnx.load(str(model)))
    owners = network.owners()
    cycles = {layer.site.key: 0 for layer in network.layers if layer.site is not None}
    names = _written(content)
    rest = 0
    for kernel in estimate.kernels:
        tensor = names[kernel.operator] if kernel.operator is not None else ""
        site = owners.get(tensor.partition("#")[0])
        if site is None:
            rest += kernel.cycles
        else:
            cycles[site] += kernel.cycles
    times = [SiteTime(site=site, ms=estimate.milliseconds(n)) for site, n in cycles.items()]
    return [*times, SiteTime(site="", ms=estimate.milliseconds(rest))]


def _written(content: bytes) -> list[str]:
    """The name of the first tensor that each operator of a TFLite file writes."""
    graph: Any = schema.Model.GetRootAs(content).Subgraphs(0)
    operators = (graph.Operators(i) for i in range(graph.OperatorsLength()))
    return [graph.Tensors(operator.Outputs(0)).Name().decode() for operator in operators]
