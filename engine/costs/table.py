"""The cost table: latency (and memory) of every (site, activation) on one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.errors import BadSearch

SCHEMA = "actnas.cost_table/1"

Matrix = NDArray[np.float64]
Kind = Literal["measured", "modelled", "emulated"]


@dataclass(frozen=True, eq=False)
class CostTable:
    """An additive model of a target: a mix costs ``rest_ms`` plus one entry per site.

    ``ms[s, a]`` is the latency (ms) attributed to site ``s`` running activation ``a``; NaN where
    that pair is not known, so that no solver may choose it. Entries are only meaningful as
    differences within a row: one-swap tables hold the change against the baseline (so they may be
    negative), profile tables hold the kernels of the site.

    ``memory[s, a]`` is, where the target's memory was read per one-swap model, the change of the
    memory figure (``memory_unit``) against the baseline's ``rest_memory``. Peaks do not really add
    up, so composed models must be measured before a memory figure is believed.

    ``source`` names the file of this package that filled the table; ``details`` holds what it had
    to assume (scales, the refit's residuals).

    Raises:
        BadSearch: the shapes disagree, or the baseline has a site or activation that has no entry.
    """

    sites: tuple[str, ...]
    activations: tuple[str, ...]
    ms: Matrix
    rest_ms: float
    baseline: Assignment
    kind: Kind
    source: str
    memory: Matrix | None = None
    rest_memory: float | None = None
    memory_unit: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.sites), len(self.activations))
        for name, array in (("ms", self.ms), ("memory", self.memory)):
            if array is not None and array.shape != shape:
                raise BadSearch(
                    f"cost table: {name} has shape {array.shape}; {shape} is needed "
                    "(sites, activations)"
                )
        if (self.memory is None) != (self.rest_memory is None):
            raise BadSearch("cost table: memory and rest_memory go together; one is missing")
        if not np.isfinite(self.predict(self.baseline)) or self.predict(self.baseline) <= 0:
            raise BadSearch(
                f"cost table: the baseline {self.baseline.hash} costs "
                f"{self.predict(self.baseline)} ms; a positive figure is needed"
            )

    @cached_property
    def columns(self) -> dict[str, int]:
        """Column of each activation."""
        return {name: column for column, name in enumerate(self.activations)}

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each site."""
        return {name: row for row, name in enumerate(self.sites)}

    @cached_property
    def baseline_columns(self) -> NDArray[np.int64]:
        """Column of the baseline's activation at each site, [sites]."""
        return self.indices(self.baseline)

    def indices(self, assignment: Assignment) -> NDArray[np.int64]:
        """Column chosen at each site, [sites], whatever order the assignment lists them in.

        Raises:
            BadSearch: it covers other sites than the table, or uses an activation without a column.
        """
        if set(assignment.sites) != set(self.sites):
            odd = sorted(set(assignment.sites) ^ set(self.sites))[0]
            raise BadSearch(
                f"assignment {assignment.hash} and cost table disagree about site {odd!r}; "
                "both must cover the same sites"
            )
        unknown = set(assignment.activations) - set(self.activations)
        if unknown:
            raise BadSearch(
                f"cost table has no column for {sorted(unknown)[0]!r}; "
                f"columns: {', '.join(self.activations)}"
            )
        return np.array([self.columns[assignment[site]] for site in self.sites], dtype=np.int64)

    def assignment(self, indices: NDArray[np.int64]) -> Assignment:
        """The assignment that takes column ``indices[s]`` at site ``s``; inverse of indices()."""
        return Assignment(
            tuple((s, self.activations[int(a)]) for s, a in zip(self.sites, indices, strict=True))
        )

    def predict(self, assignment: Assignment) -> float:
        """Predicted latency of a mix, ms."""
        rows = np.arange(len(self.sites))
        return float(self.rest_ms + self.ms[rows, self.indices(assignment)].sum())

    def predict_ratio(self, assignment: Assignment) -> float:
        """Predicted latency of a mix over that of the baseline."""
        return self.predict(assignment) / self.predict(self.baseline)

    def predict_memory_ratio(self, assignment: Assignment) -> float | None:
        """Predicted memory over the baseline's, or None if the table holds no memory."""
        if self.memory is None or self.rest_memory is None:
            return None
        rows = np.arange(len(self.sites))
        swapped = self.memory[rows, self.indices(assignment)].sum()
        base = self.memory[rows, self.baseline_columns].sum()
        return float((self.rest_memory + swapped) / (self.rest_memory + base))

    @cached_property
    def ratios(self) -> Matrix:
        """Change of the latency ratio by each one swap, [sites, activations]; baseline 0."""
        base = self.ms[np.arange(len(self.sites)), self.baseline_columns]
        return (self.ms - base[:, None]) / self.predict(self.baseline)

    @cached_property
    def memory_ratios(self) -> Matrix | None:
        """Change of the memory ratio by each one swap, [sites, activations], or None."""
        if self.memory is None or self.rest_memory is None:
            return None
        base = self.memory[np.arange(len(self.sites)), self.baseline_columns]
        return (self.memory - base[:, None]) / (self.rest_memory + float(base.sum()))

    def to_json(self) -> dict[str, Any]:
        """A JSON-able document; unknown entries are null (engine/result.py: CostTableDocument)."""
        return {
            "schema": SCHEMA,
            "sites": list(self.sites),
            "activations": list(self.activations),
            "ms": _rows(self.ms),
            "rest_ms": self.rest_ms,
            "baseline": [list(pair) for pair in self.baseline.choices],
            "kind": self.kind,
            "source": self.source,
            "memory": None if self.memory is None else _rows(self.memory),
            "rest_memory": self.rest_memory,
            "memory_unit": self.memory_unit,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CostTable:
        """The table that :meth:`to_json` wrote.

        Raises:
            BadSearch: another schema, or a field is missing.
        """
        if document.get("schema") != SCHEMA:
            raise BadSearch(
                f"cost table has schema {document.get('schema')!r}; {SCHEMA!r} is needed"
            )
        try:
            return cls(
                sites=tuple(document["sites"]),
                activations=tuple(document["activations"]),
                ms=_matrix(document["ms"]),
                rest_ms=float(document["rest_ms"]),
                baseline=Assignment(tuple((s, a) for s, a in document["baseline"])),
                kind=document["kind"],
                source=document["source"],
                memory=None if document["memory"] is None else _matrix(document["memory"]),
                rest_memory=document["rest_memory"],
                memory_unit=document["memory_unit"],
                details=document["details"],
            )
        except KeyError as error:
            raise BadSearch(f"cost table has no field {error.args[0]!r}") from None


def _rows(array: Matrix) -> list[list[float | None]]:
    return [[float(x) if np.isfinite(x) else None for x in row] for row in array]


def _matrix(rows: list[list[float | None]]) -> Matrix:
    return np.array([[np.nan if x is None else x for x in row] for row in rows], dtype=np.float64)
