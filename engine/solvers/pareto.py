"""The trade: the least penalty at every latency that can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.solvers import milp
from engine.solvers.problem import Problem, Solution

# Summed one-swap deltas of a noisy device can reach below nothing: all such mixes count alike.
LOWEST = 1e-3


def sweep(problem: Problem, n: int = 16) -> list[Solution]:
    """Up to ``n`` different assignments that no other one found dominates, fastest first.

    The latency limit walks from the smallest ratio that the memory limit allows to that of the
    least penalty (or to ``max_latency_ratio``, where that is smaller) in equal steps, neither
    below LOWEST.

    Raises:
        Infeasible: the limits cannot be kept.
    """
    slowest = max(LOWEST, milp.solve(problem).latency_ratio)
    fastest = max(LOWEST, milp.fastest(problem).latency_ratio)
    found: dict[str, Solution] = {}
    for limit in np.linspace(fastest, slowest, max(2, n)):
        solution = milp.solve(replace(problem, max_latency_ratio=float(limit) + 1e-12))
        found.setdefault(solution.assignment.hash, solution)
    return front(list(found.values()))


def front(solutions: Sequence[Solution]) -> list[Solution]:
    """Those that no other one beats on predicted latency and penalty at once, fastest first."""
    ordered = sorted(solutions, key=lambda s: (s.latency_ratio, s.penalty))
    kept: list[Solution] = []
    for solution in ordered:
        if not kept or solution.penalty < kept[-1].penalty:
            kept.append(solution)
    return kept
