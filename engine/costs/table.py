"""The cost table: latency (and memory) of every (site, activation) on one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.costs.steps import MemorySteps
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
    up, so composed models must be measured before a memory figure is believed. ``steps`` is, where
    the plan of the target's memory is known, what is alive at each step of an inference: then the
    peak of any mix is exact, and ``memory`` is not needed.

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
    steps: MemorySteps | None = None

    def __post_init__(self) -> None:
        shape = (len(self.sites), len(self.activations))
        for name, array in (("ms", self.ms), ("memory", self.memory)):
            if array is not None and array.shape != shape:
                raise BadSearch(
                    f"cost table: {name} has shape {array.shape}; {shape} is needed "
                    "(sites, activations)"
                )
        if self.steps is not None and self.steps.change.shape[1:] != shape:
            raise BadSearch(
                f"cost table: memory steps change {self.steps.change.shape[1:]}; {shape} is needed "
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
        if self.steps is not None:
            return float(self.steps.at(self.indices(assignment)).max()) / self.steps.peak
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

    @cached_property
    def span(self) -> tuple[float, float]:
        """The smallest and the largest latency ratio that any mix has, as predicted."""
        changes = self.ratios
        low, high = np.nanmin(changes, axis=1).sum(), np.nanmax(changes, axis=1).sum()
        return 1.0 + float(low), 1.0 + float(high)

    def within_noise(self, noise_floor: float) -> str | None:
        """One sentence if all mixes lie within ``noise_floor`` of the baseline, else None.

        Predicted ranks mean nothing then: two measurements of the same model differ as much.
        """
        low, high = self.span
        if max(1.0 - low, high - 1.0) >= noise_floor:
            return None
        return (
            f"every mix is predicted at {low:.3f} to {high:.3f} of the original's latency, and two "
            f"runs of the same model differ by up to {100 * noise_floor:.1f} %: mixes are not "
            "ranked by latency here"
        )

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
            "steps": None if self.steps is None else self.steps.to_json(),
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
                baseline=Assignment.from_pairs(document["baseline"]),
                kind=document["kind"],
                source=document["source"],
                memory=None if document["memory"] is None else _matrix(document["memory"]),
                rest_memory=document["rest_memory"],
                memory_unit=document["memory_unit"],
                details=document["details"],
                steps=_steps(document),
            )
        except KeyError as error:
            raise BadSearch(f"cost table has no field {error.args[0]!r}") from None


def _steps(document: Mapping[str, Any]) -> MemorySteps | None:
    found = document.get("steps")  # tables of before there were steps have none
    if found is None:
        return None
    sites, activations = len(document["sites"]), len(document["activations"])
    return MemorySteps.from_json(found, sites=sites, activations=activations)


def _rows(array: Matrix) -> list[list[float | None]]:
    return [[float(x) if np.isfinite(x) else None for x in row] for row in array]


def _matrix(rows: list[list[float | None]]) -> Matrix:
    return np.array([[np.nan if x is None else x for x in row] for row in rows], dtype=np.float64)
