from __future__ import annotations

from pathlib import Path
from typing import Any


def write(rows: dict[str, list[dict[str, Any]]], path: Path) -> None:
    pass
