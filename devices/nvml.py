"""Clocks of a GPU and why they are not higher, as NVIDIA's driver tells (NVML, nvidia-ml-py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devices import cuda
from devices.errors import DeviceError
from devices.targets import Target

# Bit of nvmlDeviceGetCurrentClocksEventReasons -> its words, and whether it slows a busy GPU down
# below what was asked of it.
REASONS: dict[int, tuple[str, bool]] = {
    0x001: ("idle", False),
    0x002: ("application clocks are set", False),
    0x004: ("power cap", True),
    0x008: ("hardware slowdown", True),
    0x010: ("clocks are kept in step with another GPU", True),
    0x020: ("thermal slowdown by the driver", True),
    0x040: ("thermal slowdown by the hardware", True),
    0x080: ("power brake", True),
    0x100: ("display clocks are set", False),
    0x200: ("board limit", True),
    0x400: ("voltage reliability", True),
}


@dataclass(frozen=True)
class Sample:
    """One look at the GPU; ``reasons`` is NVML's bit mask."""

    sm_mhz: int
    memory_mhz: int
    celsius: int
    watts: float
    reasons: int


def words(mask: int) -> list[str]:
    """The reasons in a mask, lowest bit first; bits that are not known by their number."""
    bits = [1 << n for n in range(64) if mask >> n & 1]
    return [REASONS[bit][0] if bit in REASONS else f"reason {bit:#x}" for bit in bits]


def slows(mask: int) -> int:
    """The part of a mask that slows a busy GPU down; a bit that is not known counts as one."""
    return mask & ~sum(bit for bit, (_, slow) in REASONS.items() if not slow)


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """What goes into the provenance: ranges over the samples and all reasons seen, JSON-able."""
    if not samples:
        return {"samples": 0}

    def ends(name: str) -> list[float]:
        values = [getattr(sample, name) for sample in samples]
        return [min(values), max(values)]

    seen = 0
    for sample in samples:
        seen |= sample.reasons
    return {
        "samples": len(samples),
        "sm_mhz": ends("sm_mhz"),
        "memory_mhz": ends("memory_mhz"),
        "celsius": ends("celsius"),
        "watts": ends("watts"),
        "clock_reasons": words(seen),
    }


def remark(samples: Sequence[Sample]) -> str | None:
    """One line if the GPU slowed itself down in any sample, else None."""
    slowed = [slows(sample.reasons) for sample in samples if slows(sample.reasons)]
    if not slowed:
        return None
    seen = 0
    for mask in slowed:
        seen |= mask
    return (
        f"the GPU slowed its clocks in {len(slowed)} of {len(samples)} samples, one a block: "
        f"{', '.join(words(seen))}"
    )


class Watch:
    """A GPU under measurement. Where NVML cannot be asked, that is said and nothing fails."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._facts: dict[str, Any] = {}
        self._device: Any = None
        try:
            import pynvml
        except ModuleNotFoundError:
            self._facts["nvml"] = "the Python package 'nvidia-ml-py' is not installed"
            return
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._device = pynvml.nvmlDeviceGetHandleByPciBusId(cuda.bus_id())
            self._facts = {
                "name": _text(pynvml.nvmlDeviceGetName(self._device)),
                "driver": _text(pynvml.nvmlSystemGetDriverVersion()),
            }
        except (pynvml.NVMLError, DeviceError) as error:
            self._facts["nvml"] = str(error)

    def sample(self) -> None:
        """Looks at the GPU once."""
        nvml = self._nvml if self._device is not None else None
        if nvml is None:
            return
        try:
            self.samples.append(
                Sample(
                    sm_mhz=nvml.nvmlDeviceGetClockInfo(self._device, nvml.NVML_CLOCK_SM),
                    memory_mhz=nvml.nvmlDeviceGetClockInfo(self._device, nvml.NVML_CLOCK_MEM),
                    celsius=nvml.nvmlDeviceGetTemperature(self._device, nvml.NVML_TEMPERATURE_GPU),
                    watts=nvml.nvmlDeviceGetPowerUsage(self._device) / 1e3,
                    reasons=nvml.nvmlDeviceGetCurrentClocksEventReasons(self._device),
                )
            )
        except nvml.NVMLError as error:
            self._facts["nvml"] = str(error)
            self._device = None

    def facts(self) -> dict[str, Any]:
        """Name, driver, and what the samples say; why not, where NVML does not answer."""
        return {**self._facts, **summary(self.samples)}

    def close(self) -> None:
        if self._device is not None:
            self._nvml.nvmlShutdown()


@contextmanager
def watching(target: Target) -> Iterator[Watch | None]:
    """A watch over the GPU while the block runs; None for a target that uses none."""
    if target.hardware != "gpu":
        yield None
        return
    watch = Watch()
    try:
        yield watch
    finally:
        watch.close()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
