"""SynFlow: how much signal flows through all paths of a mix, without any data.

Formula: every weight is replaced by its absolute value, BatchNorm is left out and the image is all
ones; R is the sum of the head's raw outputs, and score = ln sum over the convolutions' weights of
W dR/dW. In float64, because R is a product over all layers.

Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic
flow", NeurIPS 2020 (arXiv 2006.05467), as a score of architectures: Abdelfattah et al., ICLR 2021
(arXiv 2101.08134), who sum without the logarithm; it changes no rank.

What it cannot see: what an activation does below 0, because no input of one is negative here: ReLU
and LeakyReLU score exactly the same, and SiLU nearly so. It sees saturation (ReLU6, Tanh) and calls
it bad. Nor can it see data, labels, or what BatchNorm does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators import outputs
from engine.estimators.base import Estimator, Inputs, Pause

__all__ = ["Synflow"]


@dataclass(frozen=True, kw_only=True)
class Synflow(Estimator):
    """ln of the synaptic flow for one image of ``side`` x ``side`` px. The seed changes nothing.

    minus infinity where nothing flows.
    """

    name = "synflow"
    unit = "log flow"
    higher_is_better = True
    needs = frozenset()

    side: int = 128

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
            mixed = _linear_flow(swap.swapped(net, assignment))
            weights = [p for p in mixed.parameters() if p.ndim > 1]
            x = torch.ones(1, 3, self.side, self.side).to(weights[0])
            total = torch.stack([t.sum() for t in outputs.raw(mixed, x).values()]).sum()
            found = torch.autograd.grad(total, weights, allow_unused=True)
            pairs = zip(weights, found, strict=True)
            flow = sum(float((w.detach() * g).sum()) for w, g in pairs if g is not None)
            yield math.log(flow) if flow > 0 else -math.inf


def _linear_flow(net: nn.Module) -> nn.Module:
    """``net`` with absolute weights, in float64, without BatchNorm, in place."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, nn.Identity())
    net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    for parameter in net.parameters():
        parameter.requires_grad_(True)  # checkpoints come frozen
    return net
