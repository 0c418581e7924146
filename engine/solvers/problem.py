"""What every solver is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.costs.table import CostTable, Matrix
from engine.errors import BadSearch

TOLERANCE = 1e-9  # of a ratio: sums of the same entries in another order differ by less

Choice = NDArray[np.int64]  # the column of each unit, [units]


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
class Limit:
    """A ratio that must not exceed ``most``: the largest of its rows.

    Row ``r`` of a choice x is ``start[r]`` plus the sum of ``change[r, u, x[u]]`` over the units.
    Latency has one row, memory one for each step of which it is known what is alive at it.
    """

    name: str
    start: NDArray[np.float64]
    change: NDArray[np.float64]
    most: float

    def rows(self, choices: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rows' values of one choice, [rows], or of several [n, units], [n, rows]."""
        units = np.arange(choices.shape[-1])
        return np.moveaxis(self.change[:, units, choices].sum(axis=-1), 0, -1) + self.start

    def value(self, choice: Choice) -> float:
        """The ratio of a choice."""
        return float(self.rows(choice).max())


@dataclass(frozen=True, eq=False)
class Problem:
    """Choose one activation a site: least summed penalty under predicted latency and memory.

    ``penalty`` is [sites, activations] of ``table``: the accuracy that an estimator says each
    choice costs (lower is better, 0 for the original, may be negative). A pair whose penalty or
    latency is NaN may not be chosen. Limits are ratios to the table's baseline. ``groups`` names
    sites that must choose alike; a site that no group names chooses for itself. ``pixels`` is the
    height times width that each site puts out, [sites], for solvers that go by resolution.

    Solvers choose for *units*: the groups and the lone sites, in the order of their first site.

    Raises:
        BadSearch: the penalty's or pixels' shape is wrong, a site is left without any choice, a
            limit is not positive, memory is limited on a target whose table holds none, or a group
            names an unknown site or one of another group.
    """

    table: CostTable
    penalty: Matrix
    max_latency_ratio: float | None = None
    max_memory_ratio: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    pixels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.penalty.shape != self.table.ms.shape:
            raise BadSearch(
                f"penalty has shape {self.penalty.shape}; {self.table.ms.shape} is needed"
            )
        if self.pixels is not None and self.pixels.shape != (len(self.table.sites),):
            raise BadSearch(
                f"pixels has shape {self.pixels.shape}; ({len(self.table.sites)},) is needed"
            )
        for name in ("max_latency_ratio", "max_memory_ratio"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise BadSearch(f"{name} is {limit}; a ratio above 0 is needed")
        no_memory = self.table.memory is None and self.table.steps is None
        if self.max_memory_ratio is not None and no_memory:
            raise BadSearch(
                f"max_memory_ratio is {self.max_memory_ratio}, but the cost table "
                f"({self.table.source}) holds no memory; leave the limit away"
            )
        closed = np.nonzero(~self.allowed.any(axis=1))[0]
        if closed.size:
            names = " and ".join(repr(self.table.sites[s]) for s in self.members(int(closed[0])))
            raise BadSearch(f"site {names} has no activation to choose")

    @cached_property
    def unit_of(self) -> NDArray[np.int64]:
        """The unit of each site, [sites]."""
        leader = np.arange(len(self.table.sites))
        for group in self.groups:
            unknown = [site for site in group if site not in self.table.rows]
            rows = [self.table.rows[site] for site in group if site not in unknown]
            taken = [self.table.sites[row] for row in rows if leader[row] != row]
            if unknown or taken or len(set(rows)) != len(rows):
                odd = f"no site {unknown[0]!r}" if unknown else f"{(taken or group)[0]!r} twice"
                raise BadSearch(f"groups name {odd}; each site goes into one group at most")
            leader[rows] = min(rows, default=0)
        return np.unique(leader, return_inverse=True)[1]

    def members(self, unit: int) -> NDArray[np.int64]:
        """Rows of the table that belong to a unit."""
        return np.nonzero(self.unit_of == unit)[0]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many sites each unit has, [units]."""
        return np.bincount(self.unit_of)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which (unit, activation) may be chosen."""
        known = np.isfinite(self.penalty) & np.isfinite(self.table.ms)
        if self.table.memory is not None:
            known &= np.isfinite(self.table.memory)
        barred = np.zeros((int(self.unit_of.max()) + 1, known.shape[1]))
        np.add.at(barred, self.unit_of, ~known)
        return barred == 0

    @cached_property
    def cost(self) -> Matrix:
        """Summed penalty of each (unit, activation); 0 where it may not be chosen."""
        return self._by_unit(self.penalty)

    @cached_property
    def latency(self) -> Limit:
        """The predicted latency ratio, whether or not it is limited."""
        most = np.inf if self.max_latency_ratio is None else self.max_latency_ratio
        change = self._by_unit(self.table.ratios)[None]
        return Limit("max_latency_ratio", np.ones(1), change, most)

    @cached_property
    def limits(self) -> list[Limit]:
        """Each limit that is set: latency first, then memory."""
        found = [] if self.max_latency_ratio is None else [self.latency]
        if self.max_memory_ratio is not None:
            found.append(self._memory(self.max_memory_ratio))
        return found

    def _memory(self, most: float) -> Limit:
        steps = self.table.steps
        if steps is None:
            assert self.table.memory_ratios is not None
            change = self._by_unit(self.table.memory_ratios)[None]
            return Limit("max_memory_ratio", np.ones(1), change, most)
        change = np.stack([self._by_unit(one) for one in steps.change]) / steps.peak
        start = steps.base / steps.peak
        # Steps that no choice changes are told apart by nothing but the largest.
        moves: NDArray[np.bool_] = np.abs(change).max(axis=(1, 2)) > 0
        if not moves.all():
            moves[np.where(moves, -np.inf, start).argmax()] = True
        return Limit("max_memory_ratio", start[moves], change[moves], most)

    def _by_unit(self, values: Matrix) -> Matrix:
        summed = np.zeros(self.allowed.shape)
        np.add.at(summed, self.unit_of, np.nan_to_num(values))
        return np.where(self.allowed, summed, 0.0)

    def excess(self, choice: Choice) -> float:
        """By how much a choice breaks the limits: ratios summed over rows, 0 if it keeps them."""
        return float(self.excesses(choice[None])[0])

    def excesses(self, choices: NDArray[np.int64]) -> NDArray[np.float64]:
        """:meth:`excess` of several choices [n, units], [n]."""
        total = np.zeros(len(choices))
        for limit in self.limits:
            over = limit.rows(choices) - limit.most - TOLERANCE
            total += np.maximum(over, 0.0).sum(axis=1)
        return total

    def value(self, choice: Choice) -> float:
        """Summed penalty of a choice."""
        return float(self.cost[np.arange(len(choice)), choice].sum())

    def choice(self, assignment: Assignment) -> Choice:
        """The choice of an assignment; in a group its first site speaks for all."""
        _, first = np.unique(self.unit_of, return_index=True)
        return self.table.indices(assignment)[first]

    def assignment(self, choice: Choice) -> Assignment:
        """The assignment of a choice; inverse of :meth:`choice`."""
        return self.table.assignment(choice[self.unit_of])

    def solution(self, choice: Choice, *, solver: str, **details: Any) -> Solution:
        """The choice with its predicted figures."""
        assignment = self.assignment(choice)
        return Solution(
            assignment=assignment,
            penalty=self.value(choice),
            latency_ratio=self.table.predict_ratio(assignment),
            memory_ratio=self.table.predict_memory_ratio(assignment),
            solver=solver,
            details=details,
        )

    def simple(self) -> list[Choice]:
        """Choices anyone would try first: the least penalty everywhere, the original, each uniform
        one, the fastest; where a pair may not be chosen, the least penalty.
        They need not keep the limits."""
        least = np.where(self.allowed, self.cost, np.inf).argmin(axis=1)
        speed = np.where(self.allowed, self.latency.change[0], np.inf).argmin(axis=1)
        columns = range(len(self.table.activations))
        original = self.choice(self.table.baseline)
        wished = [original, *(np.full_like(least, c) for c in columns), speed]
        units = np.arange(len(least))
        return [least, *(np.where(self.allowed[units, w], w, least) for w in wished)]

    def best_simple(self) -> Choice | None:
        """The simple choice with the least penalty that keeps the limits, if one does."""
        kept = [choice for choice in self.simple() if self.excess(choice) == 0]
        return min(kept, key=self.value) if kept else None

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Random choices, [n, units]; each draw has its own appetite for every activation."""
        appetite = rng.dirichlet(np.ones(len(self.table.activations)), size=n)
        weight = np.where(self.allowed[None], appetite[:, None, :] + 1e-9, 0.0)
        edges = np.cumsum(weight, axis=2)
        point = rng.random((n, len(self.allowed), 1)) * edges[:, :, -1:]
        drawn: NDArray[np.int64] = (point >= edges).sum(axis=2)
        return drawn


def explain(
    problem: Problem, tightest: Callable[[Problem, Limit], float | None], *, by: str = ""
) -> str:
    """One line that says which limits cannot be kept and the tightest that can.

    ``tightest(problem, limit)`` is the smallest value of the limit under the problem's own limits,
    None if those cannot be kept; ``by`` says of what kind of model.
    """
    free = replace(problem, max_latency_ratio=None, max_memory_ratio=None)
    said = []
    for limit in problem.limits:
        smallest = tightest(free, limit)
        if smallest is not None and smallest > limit.most:
            said.append(
                f"{limit.name} {limit.most:g} cannot be reached{by}: "
                f"the smallest is {_up(smallest)}"
            )
    if not said:  # each alone can be kept, but not all together
        first, *rest = problem.limits
        smallest = tightest(replace(problem, max_latency_ratio=None), first)
        others = " and ".join(f"{limit.name} {limit.most:g}" for limit in rest)
        best = "nothing" if smallest is None else _up(smallest)
        said.append(
            f"{first.name} {first.most:g} cannot be reached{by} with {others}: "
            f"the smallest is {best}"
        )
    names = ", ".join(problem.table.activations)
    return f"{'; '.join(said)} (predicted for {len(problem.table.sites)} sites with {names})"


def _up(ratio: float) -> str:
    """Rounded up, so that a user who types it in gets a problem that can be solved."""
    return f"{np.ceil(ratio * 1e4 - 1e-6) / 1e4:.4f}"
