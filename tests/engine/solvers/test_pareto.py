from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from engine.solvers import Infeasible, milp, pareto
from tests.engine.solvers import problems


def test_sweep_spans_the_range_and_nothing_in_it_is_dominated() -> None:
    problem = problems.problem(sites=20, activations=4)
    found = pareto.sweep(problem, 12)
    assert len(found) > 6
    assert len({s.assignment for s in found}) == len(found)
    assert found[0].latency_ratio == pytest.approx(milp.fastest(problem).latency_ratio)
    assert found[-1].penalty == pytest.approx(milp.solve(problem).penalty)
    for faster, slower in itertools.pairwise(found):
        assert faster.latency_ratio < slower.latency_ratio
        assert faster.penalty > slower.penalty


def test_sweep_keeps_both_limits() -> None:
    problem = problems.problem(sites=12, activations=3, latency=0.8, memory=0.9)
    for solution in pareto.sweep(problem, 8):
        assert solution.latency_ratio <= 0.8 + 1e-9
        assert solution.memory_ratio is not None
        assert solution.memory_ratio <= 0.9 + 1e-9


def test_a_table_whose_noise_sums_to_less_than_nothing_has_a_front() -> None:
    problem = problems.problem(sites=20, activations=4)
    noisy = replace(problem.table, ms=5 * problem.table.ms - 4.0)
    assert milp.fastest(replace(problem, table=noisy)).latency_ratio < 0
    found = pareto.sweep(replace(problem, table=noisy), 12)
    assert len(found) > 1
    assert found[0].latency_ratio <= pareto.LOWEST + 1e-9
    assert found[-1].penalty == pytest.approx(milp.solve(problem).penalty)


def test_sweep_says_when_the_limits_cannot_be_kept() -> None:
    with pytest.raises(Infeasible, match=r"max_memory_ratio 0\.01 cannot be reached"):
        pareto.sweep(problems.problem(sites=5, memory=0.01), 4)


def test_front_drops_what_another_one_beats() -> None:
    problem = problems.problem(sites=4)
    good = milp.solve(problem)
    fast = milp.fastest(problem)
    worst = problem.penalty.argmax(axis=1)
    worst[0] = problem.table.baseline_columns[0]
    worse = problem.solution(worst, solver="none")
    assert worse.penalty > fast.penalty
    assert worse not in pareto.front([worse, good, fast])
    assert good in pareto.front([worse, good, fast])
