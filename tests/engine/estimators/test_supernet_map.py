from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from devices.assignment import Assignment
from engine import evaluation, half, swap
from engine.data import DataSet
from engine.errors import BadSearch
from engine.estimators import Inputs
from engine.estimators.batchnorm_map import BatchnormMap
from engine.estimators.supernet_map import SupernetMap
from engine.training import batchnorm, loop
from engine.training.choice import open_sites
from tests.engine.models import WithNet


def test_it_is_the_map_of_the_mix_with_its_own_batchnorm(
    abd: WithNet, original: Assignment, drawings: DataSet
) -> None:
    relu = Assignment.uniform(original.sites, "relu")
    images, split = (
        drawings.arrays("train", 192, limit=16).images,
        drawings.arrays("val", 192, limit=6),
    )
    inputs = Inputs(images=images, split=split, names=abd.names, trained=("silu", "relu"))
    net = swap.swapped(abd.net, relu)
    if loop.precision() == "bf16":
        half.body(net)
    batchnorm.recompute(net, images)
    expected = evaluation.evaluate_net(net, split, names=abd.names).map50_95
    assert expected > 0
    assert SupernetMap().score(abd.net, [relu], inputs) == [expected]


def test_it_is_batchnorm_map_where_the_supernet_was_trained(
    abd: WithNet, mixes: Sequence[Assignment], inputs: Inputs
) -> None:
    expected = BatchnormMap(count=6).score(abd.net, mixes, inputs)
    assert SupernetMap(count=6).score(abd.net, mixes, inputs) == expected
    opened = swap.swapped(abd.net, mixes[0])
    open_sites(opened, mixes[0], ["relu"])  # as the supernet is while it trains
    assert SupernetMap(count=6).score(opened, mixes, inputs) == expected


def test_classes_must_be_named(abd: WithNet, mixes: Sequence[Assignment], inputs: Inputs) -> None:
    with pytest.raises(BadSearch, match="batchnorm_map needs the names of the classes"):
        BatchnormMap().score(abd.net, mixes, replace(inputs, names={}))
