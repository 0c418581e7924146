from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from devices.assignment import Assignment
from engine import swap
from engine.estimators import Inputs
from engine.estimators.nwot import Nwot
from tests.engine.models import WithNet


def test_it_sees_swapped_sites_of_any_activation(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    first, last = original.sites[0], original.sites[-1]
    base, early, head, gelu = Nwot().score(
        abd.net,
        [
            original,
            original.replace({first: "relu"}),
            original.replace({last: "relu"}),
            original.replace({first: "gelu"}),
        ],
        inputs,
    )
    assert early != base
    assert gelu not in (base, early)
    assert head == base  # no site comes after it


def test_it_is_log_det_of_the_agreement_of_signs(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.images is not None
    only = Assignment((("model.0.act", "silu"),))
    net = swap.swapped(abd.net, original).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.train()
    with torch.no_grad():
        first = net.model[0]
        codes = first.bn(first.conv(torch.from_numpy(inputs.images[:4]).float() / 255)) > 0
    flat = codes.flatten(1).numpy()
    agree = np.array([[(a == b).sum() for b in flat] for a in flat], dtype=float)
    four = replace(inputs, images=inputs.images[:4])
    (got,) = Nwot(batch=4).score(abd.net, [only], four)
    assert got == pytest.approx(np.linalg.slogdet(agree)[1], rel=1e-9)


def test_repeats_average_over_seeds(abd: WithNet, original: Assignment, inputs: Inputs) -> None:
    single = [Nwot(batch=6).score(abd.net, [original], inputs, seed=seed)[0] for seed in (5, 6)]
    both = Nwot(batch=6, repeats=2).score(abd.net, [original], inputs, seed=5)
    assert both == [pytest.approx(np.mean(single))]
    assert single[0] != single[1]
