"""What a process finds out about its own cage: the limits of a container, seen from inside.

A transport asks for them before it sends anything. ``read`` works under cgroup versions 1 and 2.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

SCRATCH = "/tmp"
MIB = 2**20
_UNLIMITED = 1 << 60  # cgroup 1 says "no limit" as a huge number of whole pages
_CPUS = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_CGROUP = Path("/sys/fs/cgroup")
# Where a container may write although its root is read-only; all of it is memory, and counted.
_WRITABLE = (SCRATCH, "/dev", "/proc", "/sys")


@dataclass(frozen=True)
class Limits:
    """What a container may use. ``cpuset`` "" leaves every CPU of the engine's machine.

    ``room_mib`` is the size of /tmp, which is memory, too, and counts within ``memory_mib``; None:
    half of that.
    """

    memory_mib: int = 4096
    cpuset: str = ""
    pids: int = 256
    room_mib: int | None = None

    @property
    def scratch_mib(self) -> int:
        """The size of /tmp."""
        return self.memory_mib // 2 if self.room_mib is None else self.room_mib


class Confinement(BaseModel):
    """What holds the process that wrote it. None: not limited, or not to be read."""

    model_config = ConfigDict(extra="forbid")

    user: int
    no_new_privileges: bool
    capabilities: str  # all sets of them, in hexadecimal: "0" is none
    seccomp: int
    interfaces: list[str]
    root_read_only: bool
    writable: list[str]  # file systems outside those of _WRITABLE that take writes
    scratch_mib: int | None
    memory_mib: int | None
    swap_mib: int | None
    pids: int | None
    cpus: list[int]
    init: str  # what process 1 is called


def read() -> Confinement:
    """What holds this process."""
    status = _status()
    mounts = _mounts()
    return Confinement(
        user=os.getuid(),
        no_new_privileges=status["NoNewPrivs"] == "1",
        capabilities=f"{_capabilities(status):x}",
        seccomp=int(status.get("Seccomp", "0")),
        interfaces=sorted(os.listdir("/sys/class/net")),
        root_read_only="ro" in mounts["/"],
        writable=sorted(
            place
            for place, options in mounts.items()
            if "rw" in options and place != "/" and not _is_below(place, _WRITABLE)
        ),
        scratch_mib=_scratch_mib() if SCRATCH in mounts else None,
        memory_mib=_mib(_number("memory/memory.limit_in_bytes", "memory.max")),
        swap_mib=_swap_mib(),
        pids=_number("pids/pids.max", "pids.max"),
        cpus=sorted(os.sched_getaffinity(0)),
        init=Path("/proc/1/comm").read_text().strip(),
    )


def missing(found: Confinement, limits: Limits) -> list[str]:
    """What ``found`` lacks of ``limits``, one phrase each; [] if it holds."""
    cpus = cpu_numbers(limits.cpuset)
    checks = (
        (found.user != 0, "it runs as root"),
        (found.no_new_privileges, "it may gain privileges (NoNewPrivs 0)"),
        (found.capabilities == "0", f"it has capabilities ({found.capabilities})"),
        (found.interfaces == ["lo"], f"it has a network ({', '.join(found.interfaces)})"),
        (found.root_read_only, "its root can be written to"),
        (not found.writable, f"it can write to {', '.join(found.writable)}"),
        (_within(found.scratch_mib, limits.scratch_mib), "its scratch folder has no limit"),
        (
            _within(found.memory_mib, limits.memory_mib),
            f"its memory limit is {_said(found.memory_mib)}, not {limits.memory_mib} MiB",
        ),
        (found.swap_mib == 0, f"it may swap ({_said(found.swap_mib)})"),
        (
            found.pids is not None and found.pids <= limits.pids,
            f"its processes are not limited to {limits.pids}",
        ),
        (
            not cpus or set(found.cpus) == cpus,
            f"it may use the CPUs {found.cpus}, not {limits.cpuset}",
        ),
        ("init" in found.init or "tini" in found.init, f"its process 1 is {found.init}, no init"),
    )
    return [phrase for holds, phrase in checks if not holds]


def cpu_numbers(cpuset: str) -> set[int]:
    """The CPUs that ``"0-3,6"`` names; none for "".

    Raises:
        ValueError: it names none; one line says what is accepted.
    """
    found: set[int] = set()
    for part in filter(None, cpuset.split(",")):
        range_ = _CPUS.fullmatch(part)
        if range_ is None:
            raise ValueError(f'cpuset {cpuset!r}: numbers and ranges like "0-3,6" are accepted')
        numbers = range(int(range_[1]), int(range_[2] or range_[1]) + 1)
        if not numbers:
            raise ValueError(f'cpuset {cpuset!r}: the range {part!r} is empty; "0-3" is one')
        found.update(numbers)
    return found


def peak_mib() -> int | None:
    """The most memory that this container used until now, page cache included; None if unknown."""
    return _mib(_number("memory/memory.max_usage_in_bytes", "memory.peak"))


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _capabilities(status: dict[str, str]) -> int:
    """Every capability that the process has or could come by."""
    found = 0
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        found |= int(status[name], 16)
    return found


def _mounts() -> dict[str, list[str]]:
    """Options by mount point; of several at one point the last, which hides the others."""
    lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return {line[1]: line[3].split(",") for line in lines}


def _is_below(place: str, folders: tuple[str, ...]) -> bool:
    return any(place == folder or place.startswith(f"{folder}/") for folder in folders)


def _scratch_mib() -> int:
    room = os.statvfs(SCRATCH)
    return room.f_blocks * room.f_frsize // MIB


def _swap_mib() -> int | None:
    """How much may be swapped out: 0 where the machine has no swap at all."""
    both = _number("memory/memory.memsw.limit_in_bytes", "")
    memory = _number("memory/memory.limit_in_bytes", "")
    if both is not None and memory is not None:
        return _mib(both - memory)
    swap = _number("", "memory.swap.max")
    if swap is not None:
        return _mib(swap)
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("SwapTotal:") and int(line.split()[1]) == 0:
            return 0
    return None


def _number(one: str, two: str) -> int | None:
    """The limit in cgroup 1's file ``one`` or cgroup 2's file ``two``; None if there is none."""
    for name in filter(None, (one, two)):
        try:
            text = (_CGROUP / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text != "max" and int(text) < _UNLIMITED else None
    return None


def _mib(value: int | None) -> int | None:
    return None if value is None else value // MIB


def _within(value: int | None, limit: int) -> bool:
    return value is not None and value <= limit


def _said(value: int | None) -> str:
    return "none" if value is None else f"{value} MiB"
