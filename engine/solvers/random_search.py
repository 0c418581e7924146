"""Random search, the other solver of ActNAS (arXiv 2410.10887), and the yardstick for the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.solvers import milp
from engine.solvers.problem import TOLERANCE, Problem, Solution

NAME = "random_search"
SAMPLES = 4096
ROUNDS = 8


def solve(problem: Problem, *, seed: int = 0, samples: int = SAMPLES) -> Solution:
    """The least penalty among random assignments that keep the limits; the same for a same seed.

    The first round draws freely; each later round changes the best one so far at random sites.
    Never worse than the best simple assignment, which takes part.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
    """
    rng = np.random.default_rng(seed)
    best = problem.best_simple()
    tried = 0
    for number in range(ROUNDS):
        drawn = _draw(problem, rng, samples // ROUNDS)
        if number and best is not None:
            changed = rng.random(drawn.shape) < rng.uniform(0.02, 0.3, size=(len(drawn), 1))
            drawn = np.where(changed, drawn, best)
        tried += len(drawn)
        kept = drawn[_keeps_limits(problem, drawn)]
        if len(kept):
            values = problem.penalty[np.arange(drawn.shape[1]), kept].sum(axis=1)
            first = kept[int(values.argmin())]
            if best is None or problem.value(first) < problem.value(best):
                best = first
    if best is None:
        # Nothing random fits: the exact solver finds what does, or says that nothing can.
        best = problem.table.indices(milp.solve(problem).assignment)
    return problem.solution(best, solver=NAME, optimal=False, samples=tried)


def _draw(problem: Problem, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Random columns, [n, sites]; each draw has its own appetite for the first or last columns."""
    appetite = rng.dirichlet(np.ones(len(problem.table.activations)), size=n)
    weight = appetite[:, None, :] * problem.allowed[None]
    weight = np.where(problem.allowed[None], weight + 1e-9, 0.0)
    edges = np.cumsum(weight, axis=2)
    point = rng.random((n, problem.allowed.shape[0], 1)) * edges[:, :, -1:]
    drawn: NDArray[np.int64] = (point >= edges).sum(axis=2)
    return drawn


def _keeps_limits(problem: Problem, drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
    rows = np.arange(drawn.shape[1])
    keeps = np.ones(len(drawn), dtype=bool)
    for _, change, limit in problem.limits:
        keeps &= 1.0 + change[rows, drawn].sum(axis=1) <= limit + TOLERANCE
    return keeps
