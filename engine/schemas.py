"""The JSON Schemas under docs/schemas, made from the types: ``python -m engine.schemas``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from devices.protocol import MeasureJob
from devices.transports.bundle import Bundle, Results
from engine.benchmarks import BenchmarkNumbers, UniformStudy
from engine.documents import AssignmentDocument
from engine.remote.event import Event
from engine.result import Result
from engine.summary import Summary

# In documents that only we write every field is there; in those that others write, too, fields
# with a default may be left away.
_WRITTEN: Literal["serialization"] = "serialization"
_READ: Literal["validation"] = "validation"
DOCUMENTS: dict[str, tuple[type[BaseModel], Literal["serialization", "validation"]]] = {
    "assignment": (AssignmentDocument, _READ),
    "bundle": (Bundle, _WRITTEN),
    "bundle-results": (Results, _WRITTEN),
    "job": (MeasureJob, _READ),
    "numbers": (BenchmarkNumbers, _WRITTEN),
    "result": (Result, _WRITTEN),
    "summary": (Summary, _WRITTEN),
    "uniform": (UniformStudy, _WRITTEN),
    "webhook": (Event, _WRITTEN),
}


def build(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document called ``name``."""
    model, mode = DOCUMENTS[name]
    schema = model.model_json_schema(mode=mode, by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def text(name: str) -> str:
    """The content of docs/schemas/<name>.schema.json."""
    return json.dumps(build(name), indent=2) + "\n"


def write(folder: Path) -> list[Path]:
    """Writes every schema into ``folder`` and says which files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.schema.json" for name in DOCUMENTS]
    for name, path in zip(DOCUMENTS, paths, strict=True):
        path.write_text(text(name))
    return paths


if __name__ == "__main__":
    for written in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas")):
        print(written)
