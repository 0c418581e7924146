"""Solvers: given what every choice costs in accuracy and latency, pick assignments.

One file a solver; each has ``solve(problem, *, seed=0) -> Solution`` and passes the conformance
suite in tests/engine/solvers. ``milp.k_best``, ``pareto.sweep`` and ``nsga2.front`` give several.
"""

from __future__ import annotations

from typing import Protocol

from engine.errors import BadSearch
from engine.solvers import depth_ordered, greedy, milp, nsga2, pareto, random_search, uniform
from engine.solvers.problem import Infeasible, Limit, Problem, Solution

__all__ = [
    "FAMILIES",
    "SOLVERS",
    "Infeasible",
    "Limit",
    "Problem",
    "Solution",
    "Solver",
    "get",
    "milp",
    "nsga2",
    "pareto",
]


class Solver(Protocol):
    """Least penalty under limits; the same answer for the same problem and seed."""

    def __call__(self, problem: Problem, *, seed: int = 0) -> Solution:
        """A solution that keeps the limits.

        Raises:
            Infeasible: there is none.
        """
        ...


SOLVERS: dict[str, Solver] = {
    milp.NAME: milp.solve,
    greedy.NAME: greedy.solve,
    nsga2.NAME: nsga2.solve,
    random_search.NAME: random_search.solve,
    uniform.NAME: uniform.solve,
    depth_ordered.NAME: depth_ordered.solve,
}

# These look at one family of mixes only: they may find nothing where a mix keeps the limits.
FAMILIES = frozenset({uniform.NAME, depth_ordered.NAME})


def get(name: str) -> Solver:
    """The solver called ``name``.

    Raises:
        BadSearch: there is none; the message lists those that exist.
    """
    try:
        return SOLVERS[name]
    except KeyError:
        raise BadSearch(f"unknown solver {name!r}; known: {', '.join(SOLVERS)}") from None
