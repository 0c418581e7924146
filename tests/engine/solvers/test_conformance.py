"""What every solver keeps, whatever its method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadSearch
from engine.solvers import SOLVERS, Infeasible, Problem, Solver, get, milp
from tests.engine.solvers import problems

LIMITS = [(None, None), (0.9, None), (0.6, None), (0.8, 0.9), (None, 0.85)]


@pytest.fixture(params=sorted(SOLVERS))
def solve(request: pytest.FixtureRequest) -> Solver:
    return get(request.param)


@pytest.mark.parametrize(("latency", "memory"), LIMITS)
@pytest.mark.parametrize("seed", range(4))
def test_it_keeps_the_limits_and_beats_every_simple_choice(
    solve: Solver, seed: int, latency: float | None, memory: float | None
) -> None:
    problem = problems.problem(sites=20, activations=4, seed=seed, latency=latency, memory=memory)
    solution = solve(problem)

    assert solution.assignment.sites == problem.table.sites
    assert solution.latency_ratio <= (latency or 99) + 1e-9
    assert latency is None or solution.latency_ratio == pytest.approx(
        problem.table.predict_ratio(solution.assignment)
    )
    if memory is not None:
        assert solution.memory_ratio is not None
        assert solution.memory_ratio <= memory + 1e-9
    indices = problem.table.indices(solution.assignment)
    assert solution.penalty == pytest.approx(problem.value(indices))
    simple = problem.best_simple()
    assert simple is None or solution.penalty <= problem.value(simple) + 1e-12


def test_it_is_deterministic_for_a_seed(solve: Solver) -> None:
    problem = problems.problem(sites=15, activations=4, latency=0.7)
    assert solve(problem, seed=3) == solve(problem, seed=3)


@pytest.mark.parametrize("memory", [None, 0.99])
def test_it_says_the_tightest_ratio_that_can_be_reached(
    solve: Solver, memory: float | None
) -> None:
    problem = problems.problem(sites=8, latency=0.05, memory=memory)
    with pytest.raises(Infeasible, match=r"max_latency_ratio 0\.05 cannot be reached") as caught:
        solve(problem)
    said = float(str(caught.value).split("the smallest is ")[1].split(" ")[0])
    assert solve(replace(problem, max_latency_ratio=said)).latency_ratio <= said
    with pytest.raises(Infeasible):
        solve(replace(problem, max_latency_ratio=said - 2e-4))


def test_it_finds_limits_that_exclude_each_other(solve: Solver) -> None:
    costs = problems.table(sites=6, activations=2, memory=True)
    assert costs.memory is not None
    # relu is fast at every site, but costs memory there
    ms = np.tile([1.0, 0.2], (6, 1))
    memory = np.tile([0.0, 10.0], (6, 1))
    costs = replace(costs, ms=ms, memory=memory, rest_memory=100.0)
    problem = Problem(costs, np.zeros((6, 2)), 0.7, 1.1)
    with pytest.raises(Infeasible, match=r"0\.7 cannot be reached with max_memory_ratio 1\.1"):
        solve(problem)
    # four swaps give 0.59 at 1.4 of the memory; one gives 0.897 at 1.1
    assert solve(replace(problem, max_memory_ratio=1.4)).latency_ratio <= 0.7
    assert solve(replace(problem, max_latency_ratio=0.9)).assignment.counts()["relu"] == 1


def test_it_never_takes_a_pair_that_is_not_known(solve: Solver) -> None:
    problem = problems.problem(sites=12, activations=3, latency=0.75)
    ms, penalty = problem.table.ms.copy(), problem.penalty.copy()
    ms[:4, 1] = np.nan
    penalty[4:8, 2] = np.nan
    holed = Problem(replace(problem.table, ms=ms), penalty, 0.75)
    chosen = holed.table.indices(solve(holed).assignment)
    assert (chosen[:4] != 1).all()
    assert (chosen[4:8] != 2).all()


def test_without_limits_it_takes_the_least_penalty_of_every_site(solve: Solver) -> None:
    problem = problems.problem(sites=10, activations=4)
    assert solve(problem).penalty == pytest.approx(problem.penalty.min(axis=1).sum())


def test_unknown_solver_lists_the_known_ones() -> None:
    with pytest.raises(BadSearch, match="unknown solver 'annealing'; known: milp, greedy, random"):
        get("annealing")


def test_wrong_problems_are_refused() -> None:
    costs = problems.table(sites=3)
    with pytest.raises(BadSearch, match="max_latency_ratio is 0"):
        Problem(costs, np.zeros((3, 3)), 0)
    with pytest.raises(BadSearch, match="holds no memory"):
        Problem(costs, np.zeros((3, 3)), None, 0.9)
    with pytest.raises(BadSearch, match=r"shape \(2, 3\)"):
        Problem(costs, np.zeros((2, 3)))
    with pytest.raises(BadSearch, match=r"site 'model\.0\.act' has no activation"):
        Problem(costs, np.array([[np.nan] * 3, [0.0] * 3, [0.0] * 3]))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("latency", "memory"), LIMITS)
def test_milp_is_at_least_as_good_as_the_others(
    seed: int, latency: float | None, memory: float | None
) -> None:
    problem = problems.problem(sites=16, activations=4, seed=seed, latency=latency, memory=memory)
    exact = milp.solve(problem)
    for other in SOLVERS.values():
        assert exact.penalty <= other(problem, seed=seed).penalty + 1e-6
