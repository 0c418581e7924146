"""The best uniform model: what a mix has to beat."""

from __future__ import annotations

import numpy as np

from engine.solvers.family import best_of
from engine.solvers.problem import Problem, Solution

NAME = "uniform"


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """The uniform model with the least penalty that keeps the limits. There is no chance in it.

    Raises:
        Infeasible: no uniform model keeps them, though a mix might.
    """
    units = len(problem.allowed)
    family = {
        name: np.full(units, column, dtype=np.int64)
        for column, name in enumerate(problem.table.activations)
    }
    return best_of(problem, family, solver=NAME, of="uniform model")
