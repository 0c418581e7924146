"""One suite that every estimator passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from devices.assignment import Assignment
from engine import sites
from engine.data import DataSet
from engine.errors import BadSearch
from engine.estimators import batchnorm_map, distortion, nwot, supernet_map
from tests.engine.models import WithNet

Score = Callable[..., list[float]]
SIDE = 64


@pytest.fixture(params=["nwot", "distortion", "batchnorm_map", "supernet_map"])
def score(request: pytest.FixtureRequest, abd: WithNet, drawings: DataSet) -> Score:
    images = drawings.arrays("train", SIDE, limit=10).images
    split = drawings.arrays("val", SIDE, limit=4)
    scored: dict[str, Any] = {"images": images, "split": split, "names": abd.names, "count": 6}
    found: dict[str, Score] = {
        "nwot": partial(nwot.score, images=images, batch=6),
        "distortion": partial(distortion.score, images=images, count=6),
        "batchnorm_map": partial(batchnorm_map.score, **scored),
        "supernet_map": partial(supernet_map.score, trained=["silu", "relu"], **scored),
    }
    return found[request.param]


@pytest.fixture(scope="module")
def mixes(abd: WithNet) -> Sequence[Assignment]:
    original = sites.original(abd.net, SIDE)
    return [
        original,
        Assignment.uniform(original.sites, "relu"),
        original.replace({original.sites[0]: "relu"}),
    ]


def test_one_finite_number_for_each_assignment(
    abd: WithNet, score: Score, mixes: Sequence[Assignment]
) -> None:
    scores = score(abd.net, mixes, seed=0)
    assert len(scores) == len(mixes)
    assert all(isinstance(value, float) and np.isfinite(value) for value in scores)


def test_the_seed_decides_and_the_order_does_not(
    abd: WithNet, score: Score, mixes: Sequence[Assignment]
) -> None:
    scores = score(abd.net, mixes, seed=0)
    assert score(abd.net, mixes, seed=0) == scores
    assert score(abd.net, list(reversed(mixes)), seed=0) == scores[::-1]


def test_the_net_is_not_changed(abd: WithNet, score: Score, mixes: Sequence[Assignment]) -> None:
    before = {key: value.clone() for key, value in abd.net.state_dict().items()}
    score(abd.net, mixes[1:], seed=0)
    assert sites.original(abd.net, SIDE) == mixes[0]
    assert all(torch.equal(before[key], value) for key, value in abd.net.state_dict().items())


def test_it_pauses_between_assignments(
    abd: WithNet, score: Score, mixes: Sequence[Assignment]
) -> None:
    calls: list[None] = []
    score(abd.net, mixes, seed=0, pause=lambda: calls.append(None))
    assert len(calls) == len(mixes)


def test_an_unknown_site_is_refused(abd: WithNet, score: Score) -> None:
    with pytest.raises(BadSearch, match=r"no site 'model\.77\.act'"):
        score(abd.net, [Assignment((("model.77.act", "relu"),))], seed=0)
