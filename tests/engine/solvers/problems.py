"""Problems that the solvers' tests share."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from devices.assignment import Assignment
from engine.costs import CostTable
from engine.costs.steps import MemorySteps
from engine.solvers import Problem

NAMES = ("silu", "relu", "hardswish", "leaky_relu")


def table(
    *,
    sites: int,
    activations: int = 3,
    seed: int = 0,
    memory: bool = False,
    steps: bool = False,
) -> CostTable:
    """A random table whose baseline, all SiLU, is slower than most mixes.

    With ``steps`` what is alive at each of its steps is known: two or three sites move each.
    """
    rng = np.random.default_rng(seed)
    names = tuple(f"model.{i}.act" for i in range(sites))
    ms = rng.random((sites, activations))
    ms[:, 0] += 0.4
    saved = -8.0 * rng.random((sites, activations))
    saved[:, 0] = 0.0
    return CostTable(
        sites=names,
        activations=NAMES[:activations],
        ms=ms,
        rest_ms=0.3 * sites,
        baseline=Assignment.uniform(names, "silu"),
        kind="measured",
        source="random",
        memory=saved if memory else None,
        rest_memory=20.0 * sites if memory else None,
        memory_unit="KiB" if memory else None,
        steps=_steps(saved, rng) if steps else None,
    )


def _steps(saved: NDArray[np.float64], rng: np.random.Generator) -> MemorySteps:
    sites = len(saved)
    change = np.zeros((sites + 1, *saved.shape))  # at the last step nothing moves
    for step in range(sites):
        for site in {step, *rng.integers(sites, size=2).tolist()}:
            change[step, site] = saved[site]
    base = rng.uniform(40.0, 60.0, size=sites + 1)
    base[-1] = 42.0
    labels = (*(f"step {n}" for n in range(sites)), "elsewhere")
    return MemorySteps(labels=labels, base=base, change=change, unit="KiB")


def problem(
    *,
    sites: int,
    activations: int = 3,
    seed: int = 0,
    latency: float | None = None,
    memory: float | None = None,
    steps: bool = False,
    groups: tuple[tuple[int, ...], ...] = (),
) -> Problem:
    """A random problem; penalties are 0 for the original and mostly positive elsewhere.

    Memory is limited by sums, or by ``steps``; ``groups`` are of sites by their numbers.
    """
    rng = np.random.default_rng(seed + 1000)
    penalty = rng.normal(1.0, 0.6, size=(sites, activations))
    penalty[:, 0] = 0.0
    costs = table(
        sites=sites,
        activations=activations,
        seed=seed,
        memory=memory is not None and not steps,
        steps=steps,
    )
    named = tuple(tuple(costs.sites[site] for site in group) for group in groups)
    return Problem(costs, penalty, latency, memory, groups=named)


def brute_force(problem: Problem) -> float | None:
    """The least penalty of all assignments that keep limits and groups, by trying each one."""
    table, best = problem.table, None
    for names in itertools.product(table.activations, repeat=len(table.sites)):
        mix = Assignment(tuple(zip(table.sites, names, strict=True)))
        if any(len({mix[site] for site in group}) > 1 for group in problem.groups):
            continue
        most = problem.max_latency_ratio
        if most is not None and table.predict_ratio(mix) > most + 1e-9:
            continue
        memory = table.predict_memory_ratio(mix)
        most = problem.max_memory_ratio
        if most is not None and memory is not None and memory > most + 1e-9:
            continue
        value = float(problem.penalty[np.arange(len(mix)), table.indices(mix)].sum())
        best = value if best is None else min(best, value)
    return best
