from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from devices.assignment import Assignment
from engine import evaluation, sites, swap
from engine.data import DataSet
from engine.errors import BadModel, BadSearch
from engine.training import batchnorm
from tests.engine.models import WithNet


def norms(net: nn.Module) -> list[torch.Tensor]:
    return [
        buffer.clone()
        for m in net.modules()
        if isinstance(m, nn.BatchNorm2d)
        for buffer in (m.running_mean, m.running_var)
        if buffer is not None
    ]


def test_statistics_are_those_of_the_images(drawings: DataSet) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    images = drawings.arrays("train", 32, limit=8).images
    momentum = net[1].momentum
    assert batchnorm.recompute(net, images, batch=4) is net
    with torch.no_grad():
        values = net[0](torch.from_numpy(images).float() / 255)
    torch.testing.assert_close(net[1].running_mean, values.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    assert net[1].momentum == momentum
    assert not net.training


def test_result_depends_on_weights_and_images_only(abd: WithNet, drawings: DataSet) -> None:
    images = drawings.arrays("train", 64, limit=5).images
    weights = {name: p.clone() for name, p in abd.net.named_parameters()}
    once = batchnorm.recompute(copy.deepcopy(abd.net), images, batch=2)
    twice = batchnorm.recompute(copy.deepcopy(once), images, batch=2)
    assert all(torch.equal(a, b) for a, b in zip(norms(once), norms(twice), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(norms(abd.net), norms(once), strict=True))
    assert all(torch.equal(weights[name], p) for name, p in once.named_parameters())


def test_it_brings_accuracy_back_after_a_swap(abd: WithNet, drawings: DataSet) -> None:
    relu = Assignment.uniform(sites.original(abd.net, 64).sites, "relu")
    net = swap.swapped(abd.net, relu)
    train, val = drawings.arrays("train", 320), drawings.arrays("val", 320)
    before = evaluation.evaluate_net(net, val, names=abd.names).map50
    after = evaluation.evaluate_net(
        batchnorm.recompute(net, train.images), val, names=abd.names
    ).map50
    assert before < 0.02 < after


def test_a_fused_model_has_nothing_to_recompute(abd: WithNet) -> None:
    fused = sites.deploy(abd.net).net
    with pytest.raises(BadModel, match="no BatchNorm to recompute"):
        batchnorm.recompute(fused, np.zeros((4, 3, 64, 64), np.uint8))


def test_one_image_is_too_few(abd: WithNet) -> None:
    with pytest.raises(BadSearch, match="at least 2 images, got 1"):
        batchnorm.recompute(copy.deepcopy(abd.net), np.zeros((1, 3, 64, 64), np.uint8))
