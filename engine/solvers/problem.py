"""What every solver is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.costs.table import CostTable, Matrix
from engine.errors import BadSearch

TOLERANCE = 1e-9  # of a ratio: sums of the same entries in another order differ by less


class Infeasible(BadSearch):
    """No assignment keeps the limits; the message names the tightest that could be kept."""


@dataclass(frozen=True)
class Solution:
    """An assignment that keeps the limits. ``penalty`` is the sum over its sites.

    The ratios are predictions of the cost table, to its baseline; ``memory_ratio`` is None where
    the table holds no memory. ``details`` is what the solver says about its own run.
    """

    assignment: Assignment
    penalty: float
    latency_ratio: float
    memory_ratio: float | None
    solver: str
    details: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """Choose one activation a site: least summed penalty under predicted latency and memory.

    ``penalty`` is [sites, activations] of ``table``: the accuracy that an estimator says each
    choice costs (lower is better, 0 for the original, may be negative). A pair whose penalty or
    latency is NaN may not be chosen. Limits are ratios to the table's baseline.

    Raises:
        BadSearch: the penalty's shape is wrong, a site is left without any choice, a limit is not
            positive, or memory is limited on a target whose table holds none.
    """

    table: CostTable
    penalty: Matrix
    max_latency_ratio: float | None = None
    max_memory_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.penalty.shape != self.table.ms.shape:
            raise BadSearch(
                f"penalty has shape {self.penalty.shape}; {self.table.ms.shape} is needed"
            )
        for name in ("max_latency_ratio", "max_memory_ratio"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise BadSearch(f"{name} is {limit}; a ratio above 0 is needed")
        if self.max_memory_ratio is not None and self.table.memory is None:
            raise BadSearch(
                f"max_memory_ratio is {self.max_memory_ratio}, but the cost table "
                f"({self.table.source}) holds no memory; leave the limit away"
            )
        closed = np.nonzero(~self.allowed.any(axis=1))[0]
        if closed.size:
            raise BadSearch(f"site {self.table.sites[closed[0]]!r} has no activation to choose")

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which (site, activation) may be chosen."""
        known = np.isfinite(self.penalty) & np.isfinite(self.table.ms)
        if self.table.memory is not None:
            known &= np.isfinite(self.table.memory)
        return known

    @cached_property
    def limits(self) -> list[tuple[str, Matrix, float]]:
        """(name, change of the ratio [sites, activations], limit) of each limit that is set."""
        found: list[tuple[str, Matrix, float]] = []
        if self.max_latency_ratio is not None:
            found.append(("max_latency_ratio", self.table.ratios, self.max_latency_ratio))
        if self.max_memory_ratio is not None and self.table.memory_ratios is not None:
            found.append(("max_memory_ratio", self.table.memory_ratios, self.max_memory_ratio))
        return found

    def excess(self, indices: NDArray[np.int64]) -> float:
        """By how much a choice of columns, [sites], breaks the limits: summed ratios, 0 if kept."""
        rows = np.arange(len(indices))
        over = (1.0 + float(d[rows, indices].sum()) - limit for _, d, limit in self.limits)
        return sum(max(0.0, x - TOLERANCE) for x in over)

    def value(self, indices: NDArray[np.int64]) -> float:
        """Summed penalty of a choice of columns, [sites]."""
        return float(self.penalty[np.arange(len(indices)), indices].sum())

    def solution(self, indices: NDArray[np.int64], *, solver: str, **details: Any) -> Solution:
        """The choice of columns, [sites], with its predicted figures."""
        assignment = self.table.assignment(indices)
        return Solution(
            assignment=assignment,
            penalty=self.value(indices),
            latency_ratio=self.table.predict_ratio(assignment),
            memory_ratio=self.table.predict_memory_ratio(assignment),
            solver=solver,
            details=details,
        )

    def simple(self) -> list[NDArray[np.int64]]:
        """Choices anyone would try first, [sites] each: the least penalty at every site, the
        original, each uniform one, the fastest; where a pair may not be chosen, the least penalty.
        They need not keep the limits."""
        penalty = np.where(self.allowed, self.penalty, np.inf)
        least = penalty.argmin(axis=1)
        speed = np.where(self.allowed, self.table.ratios, np.inf).argmin(axis=1)
        columns = range(len(self.table.activations))
        wished = [self.table.baseline_columns, *(np.full_like(least, c) for c in columns), speed]
        rows = np.arange(len(least))
        return [least, *(np.where(self.allowed[rows, w], w, least) for w in wished)]

    def best_simple(self) -> NDArray[np.int64] | None:
        """The simple choice with the least penalty that keeps the limits, [sites], if one does."""
        kept = [choice for choice in self.simple() if self.excess(choice) == 0]
        return min(kept, key=self.value) if kept else None
