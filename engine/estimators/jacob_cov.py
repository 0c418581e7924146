"""Jacobian covariance: how differently the output of a mix depends on each image of a batch.

Formula: J_i = d(sum of the head's raw outputs for image i) / d(image i); v are the eigenvalues of
the correlation matrix of the rows J_i; score = - sum over v of ln(v + k) + 1 / (v + k), k = 1e-5.
0 correlation everywhere is best. BatchNorm is recomputed for every mix on the same batch and then
held, so that J_i depends on image i alone.

Source: Mellor et al., "Neural Architecture Search without Training", first version (arXiv
2006.04647v1), and `jacob_cov` of Abdelfattah et al., ICLR 2021 (arXiv 2101.08134); there at
initialisation and with BatchNorm in training mode, where one image's output leaks into the rows of
the others.

What it cannot see: the labels, and the size of a change (correlations have no scale). Between seeds
it was seen not to agree on one-swap models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators import outputs
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import draw, pixels
from engine.training import batchnorm

__all__ = ["JacobCov", "of_jacobian"]

K = 1e-5


@dataclass(frozen=True, kw_only=True)
class JacobCov(Estimator):
    """The score of one batch of ``batch`` images."""

    name = "jacob_cov"
    unit = "Jacobian score"
    higher_is_better = True
    needs = frozenset({"images"})

    batch: int = 16

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
        chosen = draw(inputs.images, self.batch, seed=seed)
        for assignment in assignments:
            pause()
            mixed = batchnorm.recompute(swap.swapped(net, assignment), chosen)
            pause()
            x = pixels(mixed, chosen).requires_grad_(True)
            total = torch.stack([t.sum() for t in outputs.raw(mixed, x).values()]).sum()
            (jacobian,) = torch.autograd.grad(total, x)
            yield of_jacobian(jacobian.flatten(1).double().cpu().numpy())


def of_jacobian(jacobian: NDArray[np.float64]) -> float:
    """The score of the rows J_i, float64 [images, pixels]."""
    values = np.linalg.eigvalsh(np.corrcoef(jacobian))
    return -float(np.sum(np.log(values + K) + 1 / (values + K)))
