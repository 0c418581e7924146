"""What a search has finished so far, in its output folder: each stage is one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.clock import Moment
from engine.errors import Pending
from engine.services import Event, Services


class StageStore:
    """Runs each stage once: a stage whose file is there is read, not run.

    ``fingerprint`` identifies the search, so that a folder is never resumed by another one.
    """

    def __init__(self, folder: Path, services: Services) -> None:
        self.folder = folder
        self._stages = folder / "stages"
        self._services = services
        self._stages.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str, title: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``work`` returned, now or in an earlier run; events tell that it ran."""
        path = self._stages / f"{name}.json"
        if path.exists():
            document: dict[str, Any] = json.loads(path.read_text())["result"]
            return document
        begun = self._stages / f"{name}.begun"
        if not begun.exists():
            write_json(begun, Moment.now().document())
        self._services.emit(Event(name, "started", title, 0.0))
        try:
            result = work()
        except Pending as waiting:
            self._services.emit(Event(name, "log", f"waiting: {waiting}"))
            raise
        seconds = round(Moment.read(json.loads(begun.read_text())).age_s(), 3)
        write_json(path, {"seconds": seconds, "result": result})
        begun.unlink(missing_ok=True)
        self._services.emit(Event(name, "finished", title, 1.0, seconds=seconds))
        return result

    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds of each finished stage, waiting included, in order of finishing."""
        paths = sorted(self._stages.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        return {path.stem: json.loads(path.read_text())["seconds"] for path in paths}

    def remembered(self, key: str, make: Callable[[], Any]) -> Any:
        """``make()``, or what it gave for ``key`` in an earlier run: parts of a stage."""
        name = hashlib.sha256(key.encode()).hexdigest()[:20]
        path = self._stages / "parts" / f"{name}.json"
        if path.exists():
            return json.loads(path.read_text())["value"]
        value = make()
        write_json(path, {"key": key, "value": value})
        return value


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document))
    part.replace(path)
