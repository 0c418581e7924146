"""Rows of a benchmark, each in a file named by what decides it: a run adds what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from devices.provenance import cpu_facts

Document = dict[str, Any]

_NUMBERS = re.compile(r"\[\n([-+.\deE,\s]+)\n\s*\]")  # a list of numbers, indented

PACKAGES = ("torch", "ultralytics", "onnxruntime", "openvino", "ethos-u-vela", "scipy", "numpy")


class Rows:
    """The rows under ``folder``; ``add`` makes one only if it is not there.

    ``packages`` are those whose versions move the figures.
    """

    def __init__(self, folder: Path, *, packages: Sequence[str] = PACKAGES) -> None:
        self.folder = folder
        self.packages = packages

    def add(self, kind: str, inputs: Document, make: Callable[[], Document]) -> Document:
        """The row of ``inputs``: {"kind", "inputs", "values", "machine", "versions", "at"}."""
        found = self.find(kind, inputs)
        if found is not None:
            return found
        row = {
            "kind": kind,
            "inputs": inputs,
            "values": make(),
            "machine": machine(),
            "versions": versions(self.packages),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = self._path(kind, inputs)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(dumps(row) + "\n")
        part.replace(path)
        return row

    def find(self, kind: str, inputs: Document) -> Document | None:
        """The row of ``inputs``, or None if it was never made."""
        path = self._path(kind, inputs)
        return json.loads(path.read_text()) if path.exists() else None

    def forget(self, kind: str, inputs: Document) -> None:
        """Remove the row of ``inputs``, if there is one: it is made anew."""
        self._path(kind, inputs).unlink(missing_ok=True)

    def of(self, kind: str) -> list[Document]:
        """All rows of a kind, in an order that does not depend on when they were made."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(f"{kind}-*.json"))]

    def _path(self, kind: str, inputs: Document) -> Path:
        text = json.dumps(inputs, sort_keys=True)
        return self.folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def dumps(document: Document) -> str:
    """JSON that people can read and compare: one value a line, lists of numbers on one."""
    text = json.dumps(document, indent=1)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)


def machine() -> Document:
    """What the row was made on."""
    return {
        "system": platform.platform(),
        "cpu": cpu_facts(),
        "cpus": len(os.sched_getaffinity(0)),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The packages that move a figure."""
    return {name: metadata.version(name) for name in packages}
