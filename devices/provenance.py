"""Everything about the machine that can move a figure."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from devices import HARNESS_VERSION
from devices.protocol import Provenance

_PACKAGES = ("numpy", "onnx", "psutil", "pydantic")
_CPU_KEYS = ("model name", "vendor_id", "cpu family", "model", "stepping", "microcode", "cpu MHz")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "asimddp")


class Recorder:
    """Notes the machine at the start; :meth:`finish` adds what changed until the end."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._began = time.perf_counter()
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._load = os.getloadavg()
        self._ticks = _cpu_ticks()

    def finish(self, *, cpus: tuple[int, ...], versions: dict[str, str]) -> Provenance:
        """The provenance of what ran since this object was made.

        ``cpus`` are those the measurement was pinned to (() for a cost model), ``versions`` those
        of the runtime's packages.
        """
        ticks = _cpu_ticks()
        spent = {name: ticks[name] - self._ticks.get(name, 0) for name in ticks}
        total = max(sum(spent.values()), 1)
        machine: dict[str, Any] = {
            "cpu": cpu_facts(),
            "architecture": platform.machine(),
            "cpus_usable": sorted(os.sched_getaffinity(0)),
            "cpus_pinned": list(cpus),
            "threads": self._threads,
            "governor": _governors(cpus),
            "load_at_start": [round(x, 2) for x in self._load],
            "load_at_end": [round(x, 2) for x in os.getloadavg()],
            "steal_share": round(spent.get("steal", 0) / total, 5),
            "idle_share": round(spent.get("idle", 0) / total, 5),
            "memory_mib": psutil.virtual_memory().total // 2**20,
            "memory_available_mib": psutil.virtual_memory().available // 2**20,
            "kernel": platform.release(),
            "system": platform.system(),
        }
        return Provenance(
            harness=HARNESS_VERSION,
            machine=machine,
            versions={"python": platform.python_version(), **package_versions(), **versions},
            started_at=self._started_at,
            seconds=round(time.perf_counter() - self._began, 3),
        )


def cpu_facts() -> dict[str, str]:
    """Model, family, microcode and the vector instructions that decide which kernels run."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in _CPU_KEYS:
            facts.setdefault(key, value)
        elif key in ("flags", "Features"):
            found = [name for name in _INSTRUCTIONS if name in value.split()]
            facts.setdefault("instructions", " ".join(found))
    return facts or {"model name": platform.processor() or platform.machine()}


def package_versions() -> dict[str, str]:
    """Versions of this floor's own packages."""
    return {name: metadata.version(name) for name in _PACKAGES}


def _governors(cpus: tuple[int, ...]) -> dict[str, str] | str:
    """{CPU: frequency governor} of the pinned CPUs, or "unreadable" (most virtual machines)."""
    found: dict[str, str] = {}
    for cpu in cpus:
        try:
            path = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor")
            found[str(cpu)] = path.read_text().strip()
        except OSError:
            return "unreadable"
    return found or "unreadable"


def _cpu_ticks() -> dict[str, int]:
    """Clock ticks of the whole machine by kind, from the first line of /proc/stat."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    values = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return {name: int(value) for name, value in zip(names, values, strict=False)}


def hardware_name(machine: Mapping[str, Any], hardware: str) -> str | None:
    """What a record of a machine calls its GPU, for a target on one, else its processor; None if it
    does not say."""
    part, key = ("gpu", "name") if hardware == "gpu" else ("cpu", "model name")
    name = machine.get(part, {}).get(key)
    return str(name) if name else None
