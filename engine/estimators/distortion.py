"""Output distortion: how far the head's output of a mix is from the original's.

Formula: D = mean over the head's raw box and class outputs t of sum (t - t0)^2 / sum (t0 - mean
t0)^2, with t0 the original's output on the same images; score = D, so 0 for the original and lower
is better. BatchNorm is recomputed for every mix, the original included, on the images that D is
taken on.

Source: the relative error that layer-wise quantisation searches rank by (e.g. Dong et al., HAWQ,
ICCV 2019, use its second-order relative); nothing of it is specific to activations.

What it cannot see: whether a difference hurts or helps (an output can move and find as much), what
training would repair, and the labels. It agrees well between seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import sites, swap
from engine.estimators import outputs
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import draw, pixels
from engine.training import batchnorm

__all__ = ["Distortion"]


@dataclass(frozen=True, kw_only=True)
class Distortion(Estimator):
    """D of each assignment against what ``net`` runs now, on ``count`` images."""

    name = "distortion"
    unit = "relative squared error"
    higher_is_better = False
    needs = frozenset({"images"})

    count: int = 32

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.images is not None
        chosen = draw(inputs.images, self.count, seed=seed)
        original = sites.original(net, chosen.shape[-1])
        pause()
        reference = _outputs(net, original, chosen)
        for assignment in assignments:
            pause()
            mixed = _outputs(net, assignment, chosen)
            errors = [_relative(mixed[key], reference[key]) for key in reference]
            yield sum(errors) / len(errors)


def _relative(values: torch.Tensor, reference: torch.Tensor) -> float:
    spread = (reference - reference.mean()).square().sum()
    return float((values - reference).square().sum() / spread)


def _outputs(
    net: nn.Module, assignment: Assignment, images: NDArray[np.uint8], batch: int = 16
) -> dict[str, torch.Tensor]:
    """Raw boxes and class scores of the head that is deployed, for all images."""
    mixed = batchnorm.recompute(swap.swapped(net, assignment), images, batch)
    parts: list[dict[str, torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            parts.append(outputs.raw(mixed, pixels(mixed, images[start : start + batch])))
    return {key: torch.cat([part[key].cpu().double() for part in parts]) for key in parts[0]}
