"""Random control: a number that knows nothing, which every other estimator has to beat.

Formula: score = uniform in [0, 1), drawn from the hash of the assignment and the seed.

Source: the control arm of any comparison (e.g. Li and Talwalkar, "Random Search and Reproducibility
for NAS", UAI 2019).

What it cannot see: anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from devices.assignment import Assignment
from engine.estimators.base import Estimator, Inputs, Pause

__all__ = ["RandomControl"]


@dataclass(frozen=True, kw_only=True)
class RandomControl(Estimator):
    """The same number for the same assignment and seed, without a look at the net."""

    name = "random"
    unit = "none"
    higher_is_better = True
    needs = frozenset()

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        for assignment in assignments:
            pause()
            yield float(np.random.default_rng([seed, int(assignment.hash, 16)]).random())
