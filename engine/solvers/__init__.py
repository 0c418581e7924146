"""Solvers: given what every choice costs in accuracy and latency, pick assignments.

One file a solver; each has ``solve(problem, *, seed=0) -> Solution`` and passes the conformance
suite in tests/engine/solvers.
"""

from __future__ import annotations

from typing import Protocol

from engine.errors import BadSearch
from engine.solvers import greedy, milp, pareto, random_search
from engine.solvers.problem import Infeasible, Problem, Solution

__all__ = ["SOLVERS", "Infeasible", "Problem", "Solution", "Solver", "get", "milp", "pareto"]


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
    random_search.NAME: random_search.solve,
}


def get(name: str) -> Solver:
    """The solver called ``name``.

    Raises:
        BadSearch: there is none; the message lists those that exist.
    """
    try:
        return SOLVERS[name]
    except KeyError:
        raise BadSearch(f"unknown solver {name!r}; known: {', '.join(SOLVERS)}") from None
