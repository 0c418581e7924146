"""Memory by steps of one inference: which tensors are alive together, and what a swap changes.

A peak is a maximum over time, so deltas of the peak do not add up; what is alive at one step does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadSearch


@dataclass(frozen=True, eq=False)
class MemorySteps:
    """``base[t]`` is alive at step ``t`` in the baseline (``unit``); ``change[t, s, a]`` is what
    running activation ``a`` at site ``s`` adds to that, 0 for the baseline's own activation.

    ``labels`` names the steps, a site's key where a step belongs to a site.

    Raises:
        BadSearch: the shapes disagree, or nothing is alive at all.
    """

    labels: tuple[str, ...]
    base: NDArray[np.float64]
    change: NDArray[np.float64]
    unit: str

    def __post_init__(self) -> None:
        if self.base.shape != (len(self.labels),) or self.change.shape[:1] != self.base.shape:
            raise BadSearch(
                f"memory steps: {len(self.labels)} labels, base {self.base.shape} and change "
                f"{self.change.shape}; (steps) and (steps, sites, activations) are needed"
            )
        if not len(self.base) or self.peak <= 0:
            raise BadSearch("memory steps: nothing is alive at any step")

    @property
    def peak(self) -> float:
        """The baseline's peak, in ``unit``."""
        return float(self.base.max(initial=0.0))

    def at(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """What is alive at each step, [steps], under a choice of columns, [sites]."""
        alive: NDArray[np.float64] = self.base + self.change[
            :, np.arange(len(indices)), indices
        ].sum(axis=1)
        return alive

    def to_json(self) -> dict[str, Any]:
        """A JSON-able document; of ``change`` it holds [step, site, activation, value] if not 0."""
        entries = [
            [int(t), int(s), int(a), float(self.change[t, s, a])]
            for t, s, a in zip(*np.nonzero(self.change), strict=True)
        ]
        return {
            "labels": list(self.labels),
            "base": self.base.tolist(),
            "change": entries,
            "unit": self.unit,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, sites: int, activations: int) -> MemorySteps:
        """The steps that :meth:`to_json` wrote, of a table with that many rows and columns."""
        base = np.array(document["base"], dtype=np.float64)
        change = np.zeros((len(base), sites, activations))
        for t, s, a, value in document["change"]:
            change[t, s, a] = value
        return cls(tuple(document["labels"]), base, change, document["unit"])
