"""Problems that the solvers' tests share."""

from __future__ import annotations

import itertools

import numpy as np

from devices.assignment import Assignment
from engine.costs import CostTable
from engine.solvers import Problem

NAMES = ("silu", "relu", "hardswish", "leaky_relu")


def table(*, sites: int, activations: int = 3, seed: int = 0, memory: bool = False) -> CostTable:
    """A random table whose baseline, all SiLU, is slower than most mixes."""
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
    )


def problem(
    *,
    sites: int,
    activations: int = 3,
    seed: int = 0,
    latency: float | None = None,
    memory: float | None = None,
) -> Problem:
    """A random problem; penalties are 0 for the original and mostly positive elsewhere."""
    rng = np.random.default_rng(seed + 1000)
    penalty = rng.normal(1.0, 0.6, size=(sites, activations))
    penalty[:, 0] = 0.0
    costs = table(sites=sites, activations=activations, seed=seed, memory=memory is not None)
    return Problem(costs, penalty, latency, memory)


def brute_force(problem: Problem) -> float | None:
    """The least penalty of all assignments that keep the limits, by trying each one."""
    shape = problem.penalty.shape
    best: float | None = None
    for choice in itertools.product(range(shape[1]), repeat=shape[0]):
        indices = np.array(choice, dtype=np.int64)
        if not problem.allowed[np.arange(shape[0]), indices].all() or problem.excess(indices):
            continue
        value = problem.value(indices)
        best = value if best is None else min(best, value)
    return best
