"""NSGA-II (Deb et al. 2002, as in pymoo): a front under whatever objectives the caller can compute.

Use it where the objective is no sum over sites: mAP of a mix under the supernet's weights beside
predicted latency. It needs many evaluations; the exact solver with a penalty needs none.

>>> loss = lambda mixes: [-score for score in scorer.score(mixes, stage="candidates")]
>>> latency = lambda mixes: [table.predict_ratio(mix) for mix in mixes]
>>> points = front(problem, [latency, loss], evaluations=96, population=16)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.solvers import milp, pareto
from engine.solvers.problem import Choice, Problem, Solution

NAME = "nsga2"
POPULATION = 32
EVALUATIONS = 1536
STARTS = 8  # points of the exact solver's sweep
_WORSE_THAN_ALL = 1e9  # objective of a mix that breaks a limit; it is never computed

# Values to be made small, one an assignment; called with several at once, never twice with one.
Objective = Callable[[Sequence[Assignment]], Sequence[float]]


@dataclass(frozen=True)
class Point:
    """A solution of the front and its values, one an objective."""

    solution: Solution
    values: tuple[float, ...]


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """The least penalty on its front of penalty and predicted latency, within the limits.

    It starts from uniform models and chance alone, so that it can be compared with the exact
    solver, which :func:`front` starts from.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
    """
    found = _evolve(
        problem, _own_objectives(problem), problem.simple(), seed, EVALUATIONS, POPULATION
    )
    if not found.kept:
        # Nothing that it tried fits: the exact solver finds what does, or says that nothing can.
        best = problem.choice(milp.solve(problem).assignment)
    else:
        best = min(found.kept, key=lambda one: (problem.value(one), *found.values[one.tobytes()]))
    return problem.solution(best, solver=NAME, optimal=False, evaluations=found.evaluations)


def front(
    problem: Problem,
    objectives: Sequence[Objective],
    *,
    seed: int = 0,
    evaluations: int = EVALUATIONS,
    population: int = POPULATION,
    alone: bool = False,
) -> list[Point]:
    """The mixes within the limits that no other one tried beats on all objectives.

    Sorted by the first objective. Each objective is computed for at most ``evaluations`` mixes,
    for none twice and for none that breaks a limit. Starts from the exact solver's solutions under
    the problem's penalty and the uniform models, ``alone`` from the uniform models and chance; the
    same for the same seed.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
        BadSearch: fewer than two objectives, or evaluations or population below 4.
    """
    if len(objectives) < 2:
        raise BadSearch(f"{NAME} has {len(objectives)} objectives; at least two are needed")
    if min(evaluations, population) < 4:
        raise BadSearch(
            f"{NAME} has {evaluations} evaluations and a population of {population}; "
            "at least 4 are needed"
        )
    exact = [] if alone else pareto.sweep(problem, STARTS)
    starts = [*(problem.choice(s.assignment) for s in exact), *problem.simple()]
    found = _evolve(problem, objectives, starts, seed, evaluations, population)
    points = [
        Point(
            problem.solution(choice, solver=NAME, optimal=False, evaluations=found.evaluations),
            found.values[choice.tobytes()],
        )
        for choice in found.kept
    ]
    return sorted(
        (p for p in points if not any(_dominates(other, p) for other in points)),
        key=lambda p: (p.values, p.solution.assignment.hash),
    )


def _dominates(one: Point, other: Point) -> bool:
    pairs = list(zip(one.values, other.values, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _own_objectives(problem: Problem) -> list[Objective]:
    return [
        lambda mixes: [problem.value(problem.choice(mix)) for mix in mixes],
        lambda mixes: [problem.latency.value(problem.choice(mix)) for mix in mixes],
    ]


class _Evaluated:
    """Every mix that was tried: its values, or that it breaks a limit."""

    def __init__(self, problem: Problem, objectives: Sequence[Objective]) -> None:
        self._problem, self._objectives = problem, objectives
        self.values: dict[bytes, tuple[float, ...]] = {}
        self.kept: list[Choice] = []

    @property
    def evaluations(self) -> int:
        return len(self.values)

    def of(self, choices: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values [n, objectives] and excess over the limits [n, 1] of choices [n, units]."""
        choices = np.ascontiguousarray(choices, dtype=np.int64)
        excess = self._problem.excesses(choices)
        fresh: dict[bytes, Choice] = {}
        for choice, over in zip(choices, excess, strict=True):
            if over == 0 and choice.tobytes() not in self.values:
                fresh.setdefault(choice.tobytes(), choice)
        if fresh:
            mixes = [self._problem.assignment(choice) for choice in fresh.values()]
            columns = [[float(x) for x in objective(mixes)] for objective in self._objectives]
            self.values |= dict(zip(fresh, zip(*columns, strict=True), strict=True))
            self.kept += fresh.values()
        worst = (_WORSE_THAN_ALL,) * len(self._objectives)
        rows = [self.values.get(choice.tobytes(), worst) for choice in choices]
        return np.array(rows), excess[:, None]


def _evolve(
    problem: Problem,
    objectives: Sequence[Objective],
    starts: Sequence[Choice],
    seed: int,
    evaluations: int,
    population: int,
) -> _Evaluated:
    """Run NSGA-II; whole generations only, so that the bound on evaluations is kept."""
    # heavy: brings matplotlib
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem as Evolved
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.optimize import minimize

    units = len(problem.allowed)
    evaluated = _Evaluated(problem, objectives)

    class Mixes(Evolved):
        def __init__(self) -> None:
            last = len(problem.table.activations) - 1
            super().__init__(
                n_var=units, n_obj=len(objectives), n_ieq_constr=1, xl=0, xu=last, vtype=int
            )

        def _evaluate(self, x: NDArray[np.int64], out: dict, *_: object, **__: object) -> None:
            out["F"], out["G"] = evaluated.of(x)

    class Redraw(Mutation):
        """A few units, two on average, take another activation that they may run."""

        def _do(
            self,
            _: object,
            X: NDArray[np.int64],
            *__: object,
            random_state: np.random.Generator,
            **___: object,
        ) -> NDArray[np.int64]:
            drawn = problem.draw(random_state, len(X))
            changed = random_state.random(X.shape) < min(0.5, 2 / units)
            return np.where(changed, drawn, X)

    size = min(population, evaluations)
    first = np.unique(np.array(starts), axis=0, return_index=True)[1]
    kept = [starts[i] for i in np.sort(first)][:size]
    rng = np.random.default_rng(seed)
    sampling = np.vstack([*kept, *problem.draw(rng, size - len(kept))])
    algorithm = NSGA2(size, sampling=sampling, crossover=UniformCrossover(), mutation=Redraw())
    algorithm.mating.n_max_iterations = 3  # where that gives nothing new the space is small
    minimize(Mixes(), algorithm, ("n_gen", evaluations // size), seed=seed)
    return evaluated
