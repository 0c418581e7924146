from __future__ import annotations

import copy
import math

import pytest
import torch

from devices.assignment import Assignment
from engine.estimators.synflow import Synflow
from tests.engine.models import WithNet


def test_it_cannot_see_what_happens_below_zero_but_sees_saturation(
    abd: WithNet, original: Assignment
) -> None:
    relu, leaky, identity, relu6, tanh = Synflow(side=64).score(
        abd.net,
        [
            Assignment.uniform(original.sites, name)
            for name in ("relu", "leaky_relu", "identity", "relu6", "tanh")
        ],
    )
    assert relu == leaky == identity
    assert relu > relu6
    assert relu > tanh


def test_scaling_one_layer_scales_the_flow_and_signs_do_not_matter(
    abd: WithNet, original: Assignment
) -> None:
    relu = Assignment.uniform(original.sites, "relu")
    net = copy.deepcopy(abd.net)
    with torch.no_grad():
        net.model[0].conv.weight.mul_(-4)
    (before,), (after,) = (Synflow(side=64).score(n, [relu]) for n in (abd.net, net))
    assert after - before == pytest.approx(math.log(4), abs=1e-9)
