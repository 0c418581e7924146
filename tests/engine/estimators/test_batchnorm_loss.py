from __future__ import annotations

import pytest
import torch

from devices.assignment import Assignment
from engine import swap
from engine.estimators import Inputs
from engine.estimators.batchnorm_loss import BatchnormLoss
from engine.training import batchnorm, loop
from tests.engine.models import WithNet


def test_it_is_ultralytics_loss_of_the_mix_with_its_own_batchnorm(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.images is not None
    assert inputs.split is not None
    tanh = Assignment.uniform(original.sites, "tanh")
    net = batchnorm.recompute(swap.swapped(abd.net, tanh), inputs.images)
    net.args = loop.GAINS
    parts = [
        loop.stack(inputs.split, part, where=torch.device("cpu"))
        for part in (range(5), range(5, 8))
    ]
    with torch.no_grad():
        sums = [float(net.loss(part)[0].sum()) for part in parts]  # of the images of each part
    (got,) = BatchnormLoss(batch=5).score(abd.net, [tanh], inputs)
    assert got == pytest.approx(sum(sums) / 8, rel=1e-5)
