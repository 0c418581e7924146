"""One hostile or broken upload, and what its sender must be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Make = Callable[[Path], bytes]  # from the path of the canary


@dataclass(frozen=True)
class Case:
    """``make(canary)`` is the file's content; code in it would create ``canary``.

    ``says`` is a regular expression for the refusal. ``cpu_s`` is a smaller limit where the case is
    about spending time, ``sample`` marks what the quick tests run.
    """

    name: str
    file: str
    says: str
    make: Make
    kind: Literal["model", "data-set"] = "model"
    cpu_s: int = 60
    sample: bool = False


def fixed(content: bytes) -> Make:
    """The maker of a file that does not depend on the canary."""
    return lambda canary: content
