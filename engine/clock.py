"""How long ago something began, although processes come and go and clocks are set meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Moment:
    """A time of day, and what the clock of this start of the machine said then.

    The second clock only ever runs forward, also while the machine sleeps, and nobody can set it.
    """

    unix: float
    boot: str = ""
    up: float = 0.0

    @classmethod
    def now(cls) -> Moment:
        return cls(time.time(), _boot(), time.clock_gettime(time.CLOCK_BOOTTIME))

    @classmethod
    def read(cls, document: Any) -> Moment:
        """From what :meth:`document` gave; a bare number is seconds since 1970, as once written."""
        return cls(**document) if isinstance(document, dict) else cls(float(document))

    def document(self) -> dict[str, Any]:
        """JSON; :meth:`read` takes it."""
        return {"unix": self.unix, "boot": self.boot, "up": self.up}

    def age_s(self) -> float:
        """Seconds since then; by the time of day only on another machine or after a restart."""
        now = Moment.now()
        if self.boot and self.boot == now.boot:
            return now.up - self.up
        return max(0.0, now.unix - self.unix)


@cache
def _boot() -> str:
    """The name of this start of this machine; empty where the system has none."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
