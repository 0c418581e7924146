from __future__ import annotations

import pytest
import torch
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators import Inputs
from engine.estimators.grad_norm import GradNorm
from engine.training import loop
from tests.engine.models import WithNet


def test_it_is_the_sum_of_what_backward_leaves_at_the_convolutions(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.split is not None
    relu = Assignment.uniform(original.sites, "relu")
    net = swap.swapped(abd.net, relu).train()
    net.args = loop.GAINS
    net.requires_grad_(True)
    batch = loop.stack(inputs.split, range(8), where=torch.device("cpu"))
    (net.loss(batch)[0].sum() / 8).backward()
    norms = [
        m.weight.grad.norm().item()
        for m in net.modules()
        if isinstance(m, nn.Conv2d) and m.weight.grad is not None
    ]
    (got,) = GradNorm(count=8).score(abd.net, [relu], inputs)
    assert got == pytest.approx(sum(norms), rel=1e-4)
