"""Exact solver: a mixed-integer linear programme, solved by HiGHS (scipy.optimize.milp).

One binary variable x[s, a] a (site, activation); one row a site (exactly one choice), one a limit.
About 10 ms for 69 sites and 5 activations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from engine.costs.table import Matrix
from engine.errors import EngineError
from engine.solvers.problem import Infeasible, Problem, Solution

NAME = "milp"
TIME_LIMIT_S = 60.0
# Sites whose penalty is zero (head sites under some estimators) would be left to chance: among
# equal penalties the faster choice is taken. Far below any difference that an estimator can see.
TIE_BREAK = 1e-7
ATTEMPTS = 50


@dataclass(frozen=True)
class _Cut:
    """At most ``most`` of the sites may keep their column of ``indices``."""

    indices: NDArray[np.int64]
    most: int


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """The assignment with the least summed penalty. ``seed`` is not used: there is no chance in it.

    Raises:
        Infeasible: the limits cannot be kept; the message says what can.
        EngineError: HiGHS did not finish within a minute.
    """
    indices = _solve(problem, objective(problem), cuts=[])
    if indices is None:
        raise Infeasible(explain(problem))
    return problem.solution(indices, solver=NAME, optimal=True)


def k_best(problem: Problem, k: int, *, min_distance: int = 1) -> list[Solution]:
    """Up to ``k`` solutions by rising penalty, each ``min_distance`` or more sites from the others.

    Fewer come back when there are no more.

    Raises:
        Infeasible: not even one assignment keeps the limits.
    """
    found = [solve(problem)]
    cuts: list[_Cut] = []
    goal = objective(problem)
    while len(found) < k:
        indices = problem.table.indices(found[-1].assignment)
        cuts.append(_Cut(indices, len(indices) - max(1, min_distance)))
        following = _solve(problem, goal, cuts)
        if following is None:
            break
        found.append(problem.solution(following, solver=NAME, optimal=True, rank=len(found)))
    return found


def objective(problem: Problem) -> Matrix:
    """Penalties with the tie-break toward the faster choice, [sites, activations]."""
    penalty = np.where(problem.allowed, problem.penalty, 0.0)
    speed = np.where(problem.allowed, problem.table.ratios, 0.0)
    scale = np.ptp(penalty) or 1.0
    return penalty + TIE_BREAK * scale * speed / (np.abs(speed).max() or 1.0)


def fastest(problem: Problem) -> Solution:
    """The smallest predicted latency under the memory limit, whatever its penalty.

    Raises:
        Infeasible: the memory limit cannot be kept.
    """
    eased = replace(problem, max_latency_ratio=None)
    indices = _solve(eased, _change(problem, problem.table.ratios), cuts=[])
    if indices is None:
        raise Infeasible(explain(eased))
    return problem.solution(indices, solver=NAME, optimal=True)


def explain(problem: Problem) -> str:
    """One line that says which limits cannot be kept and the tightest that can."""
    said = []
    for name, change, limit in problem.limits:
        tightest = _tightest(Problem(problem.table, problem.penalty), change)
        if tightest is not None and tightest > limit:
            said.append(f"{name} {limit:g} cannot be reached: the smallest is {_up(tightest)}")
    if not said:  # each alone can be kept, but not all together
        (first, change, limit), *rest = problem.limits
        tightest = _tightest(replace(problem, max_latency_ratio=None), change)
        others = " and ".join(f"{name} {value:g}" for name, _, value in rest)
        best = "nothing" if tightest is None else _up(tightest)
        said.append(f"{first} {limit:g} cannot be reached with {others}: the smallest is {best}")
    names = ", ".join(problem.table.activations)
    return f"{'; '.join(said)} (predicted for {len(problem.table.sites)} sites with {names})"


def _up(ratio: float) -> str:
    """Rounded up, so that a user who types it in gets a problem that can be solved."""
    return f"{np.ceil(ratio * 1e4 - 1e-6) / 1e4:.4f}"


def _tightest(problem: Problem, change: Matrix) -> float | None:
    """The smallest value of a ratio under the problem's limits; None if they cannot be kept."""
    indices = _solve(problem, _change(problem, change), cuts=[])
    if indices is None:
        return None
    return 1.0 + float(change[np.arange(len(indices)), indices].sum())


def _change(problem: Problem, change: Matrix) -> Matrix:
    return np.where(problem.allowed, change, 0.0)


def _solve(problem: Problem, goal: Matrix, cuts: list[_Cut]) -> NDArray[np.int64] | None:
    """Columns, [sites], that minimise ``goal`` under limits and cuts; None if there are none."""
    sites, activations = goal.shape
    variables = sites * activations
    choose_one = csr_array(
        (np.ones(variables), (np.repeat(np.arange(sites), activations), np.arange(variables)))
    )
    limits = [
        LinearConstraint(_change(problem, change).reshape(1, -1), ub=limit - 1.0)
        for _, change, limit in problem.limits
    ]
    extra = list(cuts)
    for _ in range(ATTEMPTS):
        result = milp(
            goal.reshape(-1),
            integrality=np.ones(variables),
            bounds=Bounds(0, problem.allowed.reshape(-1).astype(float)),
            constraints=[
                LinearConstraint(choose_one, 1, 1),
                *limits,
                *(_row(cut, goal.shape) for cut in extra),
            ],
            options={"mip_rel_gap": 0.0, "time_limit": TIME_LIMIT_S},
        )
        if result.status == 2:
            return None
        if result.x is None or result.status != 0:
            raise EngineError(f"HiGHS gave up after {TIME_LIMIT_S:g} s: {result.message}")
        indices: NDArray[np.int64] = result.x.reshape(goal.shape).argmax(axis=1)
        if problem.excess(indices) == 0:
            return indices
        # HiGHS may overstep a row by its tolerance (1e-6); this one choice is then forbidden.
        extra.append(_Cut(indices, sites - 1))
    raise EngineError(f"HiGHS overstepped the limits {ATTEMPTS} times; loosen them by 1e-5")


def _row(cut: _Cut, shape: tuple[int, int]) -> LinearConstraint:
    kept = np.zeros(shape)
    kept[np.arange(shape[0]), cut.indices] = 1.0
    return LinearConstraint(kept.reshape(1, -1), ub=cut.most)
