"""Exact solver: a mixed-integer linear programme, solved by HiGHS (scipy.optimize.milp).

One binary variable x[u, a] a (unit, activation): a unit is a site, or a group of sites that must
choose alike. One row a unit (exactly one choice), one or more a limit: memory has one for each
step of an inference at which it is known what is alive. About 10 ms for 69 sites and 5 activations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from engine.costs.table import Matrix
from engine.errors import EngineError
from engine.solvers.problem import Choice, Infeasible, Limit, Problem, Solution, explain

NAME = "milp"
TIME_LIMIT_S = 60.0
# Sites whose penalty is zero (head sites under some estimators) would be left to chance: among
# equal penalties the faster choice is taken. Far below any difference that an estimator can see.
TIE_BREAK = 1e-7
# HiGHS keeps a row to 1e-6, which many swaps of small sites are worth less than; scaled up, ratios
# are kept to 1e-10.
SCALE = 1e4
ATTEMPTS = 50


@dataclass(frozen=True)
class _Cut:
    """At most ``most`` of the sites may keep their column of ``choice``."""

    choice: Choice
    most: int


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """The assignment with the least summed penalty. ``seed`` is not used: there is no chance in it.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
        EngineError: HiGHS did not finish within a minute.
    """
    choice = _solve(problem, objective(problem))
    if choice is None:
        raise Infeasible(explain(problem, _tightest))
    return problem.solution(choice, solver=NAME, optimal=True)


def k_best(problem: Problem, k: int, *, min_distance: int = 1) -> list[Solution]:
    """Up to ``k`` solutions by rising penalty, each ``min_distance`` or more sites from the others.

    Each found one is cut out with all that is nearer to it (Hamming cuts). Fewer come back when
    there are no more.

    Raises:
        Infeasible: not even one assignment keeps the limits.
    """
    found = [solve(problem)]
    cuts: list[_Cut] = []
    goal = objective(problem)
    while len(found) < k:
        choice = problem.choice(found[-1].assignment)
        cuts.append(_Cut(choice, len(problem.table.sites) - max(1, min_distance)))
        following = _solve(problem, goal, cuts)
        if following is None:
            break
        found.append(problem.solution(following, solver=NAME, optimal=True, rank=len(found)))
    return found


def objective(problem: Problem) -> Matrix:
    """Penalties with the tie-break toward the faster choice, [units, activations]."""
    speed = problem.latency.change[0]
    scale = np.ptp(problem.cost) or 1.0
    return problem.cost + TIE_BREAK * scale * speed / (np.abs(speed).max() or 1.0)


def fastest(problem: Problem) -> Solution:
    """The smallest predicted latency under the memory limit, whatever its penalty.

    Raises:
        Infeasible: the memory limit cannot be kept.
    """
    eased = replace(problem, max_latency_ratio=None)
    choice = _solve(eased, eased.latency)
    if choice is None:
        raise Infeasible(explain(eased, _tightest))
    return problem.solution(choice, solver=NAME, optimal=True)


def _tightest(problem: Problem, limit: Limit) -> float | None:
    """The smallest value of ``limit`` under the problem's limits; None if they cannot be kept."""
    choice = _solve(problem, limit)
    return None if choice is None else limit.value(choice)


def _solve(problem: Problem, goal: Matrix | Limit, cuts: list[_Cut] | None = None) -> Choice | None:
    """The choice that minimises a matrix's sum or a limit's value, under limits and cuts; None if
    there is none."""
    shape = problem.allowed.shape
    variables = problem.allowed.size
    # The last variable is at least every row of the limit that is minimised.
    cost, bound = np.zeros(variables + 1), 0.0
    constraints = [_one_choice_a_unit(shape)]
    constraints += [_rows(limit, largest=False) for limit in problem.limits]
    if isinstance(goal, Limit):
        cost[-1], bound = 1.0, np.inf
        constraints.append(_rows(goal, largest=True))
    else:
        cost[:-1] = goal.reshape(-1)
    extra = list(cuts or [])
    for _ in range(ATTEMPTS):
        result = milp(
            cost,
            integrality=np.append(np.ones(variables), 0),
            bounds=Bounds(
                np.append(np.zeros(variables), -bound),
                np.append(problem.allowed.reshape(-1).astype(float), bound),
            ),
            constraints=[*constraints, *(_cut(cut, problem) for cut in extra)],
            options={"mip_rel_gap": 0.0, "time_limit": TIME_LIMIT_S},
        )
        if result.status == 2:
            return None
        if result.x is None or result.status != 0:
            raise EngineError(f"HiGHS gave up after {TIME_LIMIT_S:g} s: {result.message}")
        choice: Choice = result.x[:-1].reshape(shape).argmax(axis=1)
        if problem.excess(choice) == 0:
            return choice
        # HiGHS may still overstep a row a little; this one choice is then forbidden.
        extra.append(_Cut(choice, len(problem.table.sites) - 1))
    raise EngineError(f"HiGHS overstepped the limits {ATTEMPTS} times; loosen them by 1e-5")


def _one_choice_a_unit(shape: tuple[int, int]) -> LinearConstraint:
    units, activations = shape
    pairs = units * activations
    of_unit = np.repeat(np.arange(units), activations)
    chosen = csr_array((np.ones(pairs), (of_unit, np.arange(pairs))), shape=(units, pairs + 1))
    return LinearConstraint(chosen, 1, 1)


def _rows(limit: Limit, *, largest: bool) -> LinearConstraint:
    """The limit's rows below its ``most``, or below the last variable (``largest``)."""
    rows = limit.change.reshape(len(limit.start), -1)
    last = np.full((len(rows), 1), -1.0 if largest else 0.0)
    most = 0.0 if largest else limit.most
    return LinearConstraint(SCALE * np.hstack([rows, last]), ub=SCALE * (most - limit.start))


def _cut(cut: _Cut, problem: Problem) -> LinearConstraint:
    kept = np.zeros(problem.allowed.shape)
    kept[np.arange(len(kept)), cut.choice] = problem.sizes
    return LinearConstraint(np.append(kept.reshape(-1), 0.0).reshape(1, -1), ub=cut.most)
