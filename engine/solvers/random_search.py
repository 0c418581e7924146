"""Random search, the other solver of ActNAS (arXiv 2410.10887), and the yardstick for the rest."""

from __future__ import annotations

import numpy as np

from engine.solvers import milp
from engine.solvers.problem import Problem, Solution

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
        drawn = problem.draw(rng, samples // ROUNDS)
        if number and best is not None:
            changed = rng.random(drawn.shape) < rng.uniform(0.02, 0.3, size=(len(drawn), 1))
            drawn = np.where(changed, drawn, best)
        tried += len(drawn)
        kept = drawn[problem.excesses(drawn) == 0]
        if len(kept):
            values = problem.cost[np.arange(drawn.shape[1]), kept].sum(axis=1)
            first = kept[int(values.argmin())]
            if best is None or problem.value(first) < problem.value(best):
                best = first
    if best is None:
        # Nothing random fits: the exact solver finds what does, or says that nothing can.
        best = problem.choice(milp.solve(problem).assignment)
    return problem.solution(best, solver=NAME, optimal=False, samples=tried)
