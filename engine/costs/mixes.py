"""Random mixes to measure, spread over the whole range rather than bunched in its middle."""

from __future__ import annotations

import numpy as np

from devices.assignment import Assignment


def draw(
    original: Assignment,
    activations: tuple[str, ...],
    n: int,
    *,
    seed: int,
    known: frozenset[Assignment] = frozenset(),
) -> list[Assignment]:
    """``n`` different mixes over ``activations``; fewer where there are not as many.

    Each has its own appetite for every activation (Dirichlet): independent fair draws would give
    every mix nearly the same latency, so that ranks among them could not be told. None is in
    ``known``, none is the original or uniform: those are measured anyway.
    """
    rng = np.random.default_rng(seed)
    found: dict[Assignment, None] = {}
    for _ in range(20 * n):
        if len(found) == n:
            break
        appetite = rng.dirichlet(np.ones(len(activations)))
        columns = rng.choice(len(activations), size=len(original), p=appetite)
        mix = Assignment(
            tuple((s, activations[c]) for s, c in zip(original.sites, columns, strict=True))
        )
        if mix.uniform_activation is None and mix != original and mix not in known:
            found[mix] = None
    return list(found)
