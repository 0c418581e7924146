"""Greedy solver: the swap with the most ratio per penalty first. Fast, simple, not optimal.

Use it to see how much of the exact solver's gain is obvious, or where a table is so large that the
exact one is slow.
"""

from __future__ import annotations

import numpy as np

from engine.solvers import milp
from engine.solvers.problem import Choice, Problem, Solution

NAME = "greedy"


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """A good assignment that keeps the limits, never worse than the best simple one.

    Starts at the least penalty of every site and swaps toward the limits; then takes back what
    turns out not to be needed. ``seed`` is not used: there is no chance in it.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
    """
    starts = [_toward_limits(problem, problem.simple()[0])]
    simple = problem.best_simple()
    if simple is not None:
        starts.append(simple)
    kept = [_take_back(problem, start) for start in starts if start is not None]
    if not kept:
        # Two limits at once can trap the greedy walk: the exact solver finds a way in, or says no.
        kept = [problem.choice(milp.solve(problem).assignment)]
    best = min(kept, key=problem.value)
    return problem.solution(best, solver=NAME, optimal=False)


def _toward_limits(problem: Problem, start: Choice) -> Choice | None:
    """Swaps, best ratio per penalty first, until the limits are kept; None if that gets stuck."""
    choice = start.copy()
    excess = problem.excess(choice)
    while excess > 0:
        best: tuple[float, float, int, int] | None = None
        for row, column in zip(*np.nonzero(problem.allowed), strict=True):
            gain = excess - _excess_with(problem, choice, row, column)
            if gain <= 0:
                continue
            price = float(problem.cost[row, column] - problem.cost[row, choice[row]])
            rate = gain / max(price, 1e-12)
            if best is None or rate > best[0]:
                best = (rate, gain, int(row), int(column))
        if best is None:
            return None
        choice[best[2]] = best[3]
        excess = problem.excess(choice)
    return choice


def _take_back(problem: Problem, start: Choice) -> Choice:
    """Single swaps that lower the penalty and keep the limits, the largest first, to the end."""
    choice = start.copy()
    while True:
        best: tuple[float, int, int] | None = None
        for row, column in zip(*np.nonzero(problem.allowed), strict=True):
            saved = float(problem.cost[row, choice[row]] - problem.cost[row, column])
            if saved <= 1e-15 or (best is not None and saved <= best[0]):
                continue
            if _excess_with(problem, choice, row, column) == 0:
                best = (saved, int(row), int(column))
        if best is None:
            return choice
        choice[best[1]] = best[2]


def _excess_with(problem: Problem, choice: Choice, row: int, column: int) -> float:
    before = choice[row]
    choice[row] = column
    excess = problem.excess(choice)
    choice[row] = before
    return excess
