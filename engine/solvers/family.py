"""Choosing from a list of assignments: for solvers that look at one family of mixes only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.solvers.problem import Choice, Infeasible, Limit, Problem, Solution, explain


def best_of(problem: Problem, family: Mapping[str, Choice], *, solver: str, of: str) -> Solution:
    """The member with the least penalty that keeps the limits; of equal ones the faster.

    ``family`` holds choices by a short name, which ``details`` repeats; ``of`` says in words what
    a member is. Members with a pair that may not be chosen do not count.

    Raises:
        Infeasible: no member keeps the limits; the message says how near they come.
    """
    units = np.arange(len(problem.allowed))
    members = {name: c for name, c in family.items() if problem.allowed[units, c].all()}
    if not members:
        raise Infeasible(f"no {of} can be had: each has a pair of site and activation not known")
    kept = [name for name, choice in members.items() if problem.excess(choice) == 0]
    if not kept:

        def tightest(eased: Problem, limit: Limit) -> float | None:
            within = [c for c in members.values() if eased.excess(c) == 0]
            return min((limit.value(c) for c in within), default=None)

        raise Infeasible(explain(problem, tightest, by=f" by a {of}"))
    best = min(
        kept, key=lambda name: (problem.value(members[name]), problem.latency.value(members[name]))
    )
    return problem.solution(members[best], solver=solver, optimal=False, member=best)
