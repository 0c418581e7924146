"""What `make bench-*` writes: numbers with their targets, and the rows that they come from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.documents import Document, Range


class BenchmarkNumber(Document):
    """One number. ``met`` is computed from value and target; a value of None is not measured yet.

    ``note`` says what stands behind the value, or what was tried where the target is missed.
    """

    name: str
    value: float | None
    unit: str
    interval: Range | None
    target: str = Field(pattern=r"^(<=|>=) \S+$")
    met: bool
    note: str


class BenchmarkRow(Document):
    """What was measured once: ``inputs`` decide it, ``values`` came out, on ``machine``, with
    ``versions`` of the packages that move it, ``at`` a time (ISO 8601, UTC)."""

    kind: str
    inputs: dict[str, Any]
    values: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    at: str


class BenchmarkNumbers(Document):
    """engine.json, measurement.json, load.json: rows by kind."""

    schema_: Literal["actnas.numbers/1"] = Field(default="actnas.numbers/1", alias="schema")
    numbers: list[BenchmarkNumber]
    rows: dict[str, list[BenchmarkRow]]


class UniformStudy(Document):
    """targets.json: a row a model, image size and target, with one activation everywhere."""

    schema_: Literal["actnas.uniform/1"] = Field(default="actnas.uniform/1", alias="schema")
    rows: list[BenchmarkRow]
