"""ReLU in the k sites of the highest resolution, the original elsewhere: a rule of thumb.

The first sites have the largest maps, so a cheap activation saves most there, and no estimator is
needed. A mix that cannot beat this rule owes nothing to its estimator.
"""

from __future__ import annotations

import numpy as np

from engine.errors import BadSearch
from engine.solvers.family import best_of
from engine.solvers.problem import Choice, Problem, Solution

NAME = "depth_ordered"
ACTIVATION = "relu"


def solve(problem: Problem, *, seed: int = 0, activation: str = ACTIVATION) -> Solution:
    """Of the mixes of this family (k from 0 to all) the one with the least penalty in the limits.

    Sites go by ``problem.pixels``, the earlier first among equals; where the problem does not say
    them, by site order. There is no chance in it.

    Raises:
        BadSearch: ``activation`` is no column of the table.
        Infeasible: no k keeps the limits, though another mix might.
    """
    if activation not in problem.table.columns:
        raise BadSearch(
            f"{NAME} needs {activation!r} among the activations; "
            f"there are {', '.join(problem.table.activations)}"
        )
    family = {f"k={k}": choice for k, choice in enumerate(_mixes(problem, activation))}
    return best_of(problem, family, solver=NAME, of=f"mix with {activation} by resolution")


def _mixes(problem: Problem, activation: str) -> list[Choice]:
    """The choice of every k; a unit that may not run ``activation`` stays as it is."""
    column = problem.table.columns[activation]
    choice = problem.choice(problem.table.baseline)
    found = [choice]
    for unit in _by_resolution(problem):
        choice = choice.copy()
        if problem.allowed[unit, column]:
            choice[unit] = column
        found.append(choice)
    return found


def _by_resolution(problem: Problem) -> Choice:
    """Units, the highest resolution first; a group counts with its largest site."""
    if problem.pixels is None:
        return np.arange(len(problem.allowed))
    largest = np.zeros(len(problem.allowed), dtype=np.int64)
    np.maximum.at(largest, problem.unit_of, problem.pixels)
    return np.argsort(-largest, kind="stable")
