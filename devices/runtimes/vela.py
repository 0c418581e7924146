"""Arm Vela as a cost model: compiles a TFLite file in this process and reads its estimate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ethosu import regor
from ethosu.vela import architecture_features
from ethosu.vela.errors import VelaError

from devices.errors import BadRequest, MeasurementFailed, Unsupported

_CONFIG = Path(architecture_features.CONFIG_FILES_PATH) / "Arm" / "vela.ini"
_SRAM = "Sram"
_ON_CPU = "Passthrough"  # Vela's name for an operator that it leaves to the CPU
_FILE_ID = b"TFL3"

# What `vela` itself passes when it is called with its defaults and --verbose-performance.
_OPTIONS = """
[compiler]
enable_db=true
output_format=TFLite
cop_format=COP1
[scheduler]
optimize=Performance
arena_size_limit={arena}
disable_feature=
cpu_tensor_alignment=16
tensor_allocator=HillClimb
[graph]
softmax_int16_neg_exp_range=10.0
"""


@dataclass(frozen=True)
class Configuration:
    """The three choices without which a Vela figure means nothing; names as in Vela's own file."""

    accelerator: str
    system: str
    memory: str

    def __str__(self) -> str:
        return f"{self.accelerator}, {self.system}, {self.memory}"


@dataclass(frozen=True)
class Kernel:
    """What one kernel on the NPU costs; ``operator`` is the TFLite operator behind it, by index."""

    operator: int | None
    kind: str
    cycles: int


@dataclass(frozen=True)
class Estimate:
    """Vela's estimate of one inference."""

    cycles: int
    clock_hz: float
    peak_sram: int
    kernels: tuple[Kernel, ...]
    macs: int

    @property
    def latency_ms(self) -> float:
        return self.milliseconds(self.cycles)

    def milliseconds(self, cycles: int) -> float:
        return cycles / self.clock_hz * 1e3


def estimate(content: bytes, configuration: Configuration) -> Estimate:
    """What one inference of the TFLite file ``content`` costs; ``peak_sram`` in bytes.

    Raises:
        Unsupported: an operator would run on the CPU (Vela counts no time for it), or Vela does
            not know the configuration.
        BadRequest: ``content`` is no TFLite file.
        MeasurementFailed: Vela could not compile the file.
    """
    if content[4:8] != _FILE_ID:
        # Vela's compiler core ends the process on anything else.
        raise BadRequest("not a TFLite file: bytes 4 to 8 are not TFL3")
    architecture = _architecture(configuration)
    try:
        compiled = regor.compile(
            _family(configuration.accelerator),
            content,
            "TFLITE",
            _system(configuration, architecture),
            options=_OPTIONS.format(arena=architecture.arena_cache_size),
            verbose=False,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MeasurementFailed(f"Vela could not compile the model: {reason}") from None
    tables = compiled.opt_database.tables
    report = compiled.perf_report
    rows = _rows(tables["perf"])
    sources = {row["id"]: row for row in _rows(tables["source"])}
    on_cpu = [row for row in rows if row["operator"] == _ON_CPU]
    if report.cpuOps or on_cpu:
        names = ", ".join(f"{_kind(sources, row)} (writes {row['name']})" for row in on_cpu)
        raise Unsupported(
            f"{configuration.accelerator} cannot run {names or 'an operator'}: it would fall back "
            "to the CPU, whose time Vela does not count"
        )
    return Estimate(
        cycles=int(report.totalCycles),
        clock_hz=float(architecture.core_clock),
        peak_sram=int(report.memories[_SRAM].peakUsage) if _SRAM in report.memories else 0,
        kernels=tuple(
            Kernel(_operator(sources, row), row["operator"], int(row["op_cycles"])) for row in rows
        ),
        macs=int(report.macCount),
    )


@lru_cache(maxsize=16)
def _architecture(configuration: Configuration) -> Any:
    known = architecture_features.Accelerator.member_list()
    if configuration.accelerator not in known:
        raise Unsupported(
            f"Vela knows no accelerator {configuration.accelerator!r}; known: {', '.join(known)}"
        )
    try:
        return architecture_features.ArchitectureFeatures(
            vela_config_files=[str(_CONFIG)],
            accelerator_config=configuration.accelerator,
            system_config=configuration.system,
            memory_mode=configuration.memory,
            max_blockdep=architecture_features.ArchitectureFeatures.MAX_BLOCKDEP,
            verbose_config=False,
            arena_cache_size=None,
        )
    except VelaError as error:
        reason = error.data.splitlines()[0].removeprefix("Error: ")
        raise Unsupported(f"Vela does not know {configuration}: {reason}") from None


def _system(configuration: Configuration, architecture: Any) -> str:
    """The system description that Vela's compiler core reads."""
    return (
        f"[architecture]\nmacs={architecture.num_macs_per_cycle}\ncores={architecture.ncores}\n"
        f"[vela]\nsystem_config_name={configuration.system}\n"
        f"memory_mode_name={configuration.memory}\n{_CONFIG.read_text()}"
    )


def _family(accelerator: str) -> str:
    """ "ethos-u55-128" is of the family "EthosU55"."""
    return "".join(part.capitalize() for part in accelerator.split("-")[:-1])


def _rows(table: Any) -> list[dict[str, str]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.data]


def _kind(sources: dict[str, dict[str, str]], row: dict[str, str]) -> str:
    return sources[row["source_id"]]["operator"] if row["source_id"] in sources else row["operator"]


def _operator(sources: dict[str, dict[str, str]], row: dict[str, str]) -> int | None:
    """The index of the TFLite operator behind a kernel; None for one that Vela added by itself."""
    key = sources.get(row["source_id"], {}).get("ext_key", "")
    return int(key) if key.isdigit() else None
