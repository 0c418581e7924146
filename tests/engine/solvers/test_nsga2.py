"""NSGA-II under objectives of the caller's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.solvers import Infeasible, Problem, milp, nsga2, pareto
from tests.engine.solvers import problems


class Asked:
    """Two objectives that remember what they were asked: latency, and a loss that is no sum."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.mixes: list[Assignment] = []

    def latency(self, mixes: Sequence[Assignment]) -> list[float]:
        self.mixes += mixes
        return [self.problem.table.predict_ratio(mix) for mix in mixes]

    def loss(self, mixes: Sequence[Assignment]) -> list[float]:
        """The penalty, and 1.5 for every change of activation from one site to the next."""
        return [
            self.problem.value(self.problem.choice(mix))
            + 1.5 * sum(a != b for a, b in zip(mix.activations, mix.activations[1:], strict=False))
            for mix in mixes
        ]


def run(problem: Problem, **how: Any) -> tuple[list[nsga2.Point], Asked]:
    asked = Asked(problem)
    return nsga2.front(problem, [asked.latency, asked.loss], **how), asked


def test_each_mix_is_asked_for_once_within_the_bound_and_the_limits() -> None:
    problem = problems.problem(sites=14, activations=4, latency=0.95, memory=0.97)
    points, asked = run(problem, evaluations=300, population=20)
    assert len(asked.mixes) == len(set(asked.mixes)) <= 300
    assert len(asked.mixes) > 100
    for mix in asked.mixes:
        assert problem.excess(problem.choice(mix)) == 0
    assert {p.solution.assignment for p in points} <= set(asked.mixes)


def test_the_front_is_sorted_and_nothing_in_it_is_beaten() -> None:
    problem = problems.problem(sites=14, activations=4)
    points, asked = run(problem, evaluations=400)
    values = np.array([p.values for p in points])
    assert (np.diff(values[:, 0]) >= 0).all()
    mixes = list(asked.mixes)
    tried = np.array([asked.latency(mixes), asked.loss(mixes)]).T
    for one in values:
        beaten = (tried <= one).all(axis=1) & (tried < one).any(axis=1)
        assert not beaten.any()


def test_it_starts_from_the_exact_solutions_and_improves_on_them() -> None:
    problem = problems.problem(sites=14, activations=4)
    points, asked = run(problem, evaluations=600)
    sweep = [s.assignment for s in pareto.sweep(problem, nsga2.STARTS)]
    assert set(sweep) <= set(asked.mixes)
    # the exact solver knows nothing of the cost of changes: somewhere it is beaten
    for_free = list(zip(asked.latency(sweep), asked.loss(sweep), strict=True))
    assert any(
        p.values[0] <= latency and p.values[1] < loss - 0.1
        for p in points
        for latency, loss in for_free
    )


def test_alone_it_starts_without_the_exact_solver() -> None:
    problem = problems.problem(sites=14, activations=4)
    simple = {problem.assignment(choice) for choice in problem.simple()}
    exact = {s.assignment for s in pareto.sweep(problem, nsga2.STARTS)} - simple
    _, asked = run(problem, evaluations=20, population=20)
    assert exact <= set(asked.mixes)
    _, asked = run(problem, evaluations=20, population=20, alone=True)
    assert not exact & set(asked.mixes)
    assert simple <= set(asked.mixes)


def test_the_same_seed_gives_the_same_front() -> None:
    problem = problems.problem(sites=10, activations=3, latency=0.9)
    one, _ = run(problem, evaluations=200, seed=5)
    again, _ = run(problem, evaluations=200, seed=5)
    other, _ = run(problem, evaluations=200, seed=6)
    assert one == again
    assert one != other


def test_a_space_smaller_than_the_bound_is_searched_and_left() -> None:
    problem = problems.problem(sites=2, activations=2)
    _, asked = run(problem, evaluations=200, population=8)
    assert len(asked.mixes) <= 4
    assert nsga2.solve(problem).penalty == pytest.approx(milp.solve(problem).penalty)


def test_wrong_requests_are_refused() -> None:
    problem = problems.problem(sites=4)
    with pytest.raises(BadSearch, match="has 1 objectives; at least two"):
        nsga2.front(problem, [Asked(problem).loss])
    with pytest.raises(BadSearch, match="has 3 evaluations"):
        run(problem, evaluations=3)
    with pytest.raises(Infeasible, match=r"max_latency_ratio 0\.05 cannot be reached"):
        run(problems.problem(sites=4, latency=0.05))
