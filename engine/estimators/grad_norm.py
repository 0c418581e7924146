"""Gradient norm: how strongly the weights of a mix are pulled on by one labelled batch.

Formula: score = sum over the convolutions' weights W of ||dL/dW||_2, with L the detection loss on
one labelled batch and BatchNorm on that batch's own statistics. Higher counts as better.

Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv 2101.08134),
`grad_norm`; there at initialisation, here with the weights of ``net``.

What it cannot see: where a gradient leads. On trained weights it is small where nothing is left to
learn, so that "higher is better" need not hold, and it depends on the batch: between seeds it was
seen not to agree on one-swap models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import batch_statistics, labelled, loss

__all__ = ["GradNorm"]


@dataclass(frozen=True, kw_only=True)
class GradNorm(Estimator):
    """The sum of gradient norms on one batch of ``count`` labelled images."""

    name = "grad_norm"
    unit = "gradient norm"
    higher_is_better = True
    needs = frozenset({"labels"})

    count: int = 16

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.split is not None
        where = next(net.parameters()).device
        batch = labelled(inputs.split, self.count, seed=seed, where=where)
        for assignment in assignments:
            pause()
            mixed = swap.swapped(net, assignment)
            batch_statistics(mixed)
            weights = [p for p in mixed.parameters() if p.ndim > 1 and p.is_floating_point()]
            for weight in weights:
                weight.requires_grad_(True)  # checkpoints come frozen
            # an unused weight (the fixed one of the box distribution) pulls at nothing
            found = torch.autograd.grad(loss(mixed, batch), weights, allow_unused=True)
            yield float(sum(float(g.double().norm()) for g in found if g is not None))
