"""The solvers that look at one family of mixes: uniform models, and ReLU by resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.solvers import Infeasible, Problem, get
from tests.engine.solvers import problems


def test_uniform_takes_the_least_lossy_uniform_model_within_the_limit() -> None:
    problem = problems.problem(sites=12, activations=4, latency=0.9)
    table = problem.table
    uniform = {name: Assignment.uniform(table.sites, name) for name in table.activations}
    kept = [a for a in uniform.values() if table.predict_ratio(a) <= 0.9]
    assert 0 < len(kept) < len(uniform)
    rows = np.arange(12)
    best = min(kept, key=lambda a: problem.penalty[rows, table.indices(a)].sum())
    solution = get("uniform")(problem)
    assert solution.assignment == best
    assert solution.details["member"] == best.uniform_activation


def test_uniform_says_so_where_only_a_mix_keeps_the_limit() -> None:
    problem = problems.problem(sites=12, activations=4, latency=0.55)
    assert get("milp")(problem).latency_ratio <= 0.55
    with pytest.raises(Infeasible, match=r"0\.55 cannot be reached by a uniform model: the small"):
        get("uniform")(problem)


def test_uniform_needs_its_activation_at_every_site() -> None:
    problem = problems.problem(sites=4, activations=2, latency=0.95)
    penalty = problem.penalty.copy()
    penalty[0, 0] = penalty[1, 1] = np.nan
    with pytest.raises(Infeasible, match="no uniform model can be had"):
        get("uniform")(Problem(problem.table, penalty))


def relu_at(solution_activations: tuple[str, ...]) -> list[int]:
    return [site for site, name in enumerate(solution_activations) if name == "relu"]


def test_relu_goes_to_the_highest_resolutions_and_no_further_than_needed() -> None:
    costs = problems.table(sites=6, activations=2)
    ms = np.tile([1.0, 0.4], (6, 1))
    penalty = np.tile([0.0, 1.0], (6, 1))
    pixels = np.array([100, 25, 4, 25, 4, 100])
    # each ReLU saves 0.6 of 7.8 ms: three of them are needed for 0.8
    problem = Problem(replace(costs, ms=ms), penalty, 0.8, pixels=pixels)
    solution = get("depth_ordered")(problem)
    assert relu_at(solution.assignment.activations) == [0, 1, 5]
    assert solution.details["member"] == "k=3"
    by_order = get("depth_ordered")(replace(problem, pixels=None))
    assert relu_at(by_order.assignment.activations) == [0, 1, 2]


def test_relu_needs_a_column() -> None:
    costs = problems.table(sites=3, activations=2)
    renamed = replace(costs, activations=("silu", "gelu"))
    with pytest.raises(BadSearch, match="depth_ordered needs 'relu' among the activations"):
        get("depth_ordered")(Problem(renamed, np.zeros((3, 2))))
