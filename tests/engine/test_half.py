"""A detector that computes in bfloat16: nearly the same boxes, and float32 outside."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from engine import evaluation, half
from engine.data import DataSet
from tests.engine.models import WithNet
from tests.engine.test_families import FAMILIES, SIDE

PIXELS = 1.0  # by which a box may move: autocast alone moves those of far anchors by two


def test_it_scores_as_in_float32(abd: WithNet, drawings: DataSet) -> None:
    split = drawings.arrays("val", 320)
    plain = evaluation.evaluate_net(abd.net, split, names=abd.names)
    halved = evaluation.evaluate_net(half.body(copy.deepcopy(abd.net)), split, names=abd.names)
    assert plain.map50_95 > 0.05  # it would prove nothing on a model that finds nothing
    assert halved.map50_95 == pytest.approx(plain.map50_95, abs=0.01)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_puts_out_float32(family: Callable[[str], WithNet], name: str) -> None:
    net = copy.deepcopy(family(name).net).eval()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = net(images)[0]
        halved = half.body(net)(images)[0]
    assert halved.dtype == torch.float32
    assert halved.shape == plain.shape
    if plain.shape[-1] != 6:  # without NMS the rows are sorted, and near ties change places
        moved = (halved[:, :4] - plain[:, :4]).abs().max()
        assert 0 < moved < PIXELS
