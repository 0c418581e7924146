"""What each estimator is known to see and not to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from devices.assignment import Assignment
from engine import sites
from engine.data import DataSet
from engine.errors import BadSearch
from engine.estimators import batchnorm_map, distortion, nwot, supernet_map
from tests.engine.models import WithNet

SIDE = 64


@pytest.fixture(scope="module")
def original(abd: WithNet) -> Assignment:
    return sites.original(abd.net, SIDE)


@pytest.fixture(scope="module")
def images(drawings: DataSet) -> np.ndarray:
    return drawings.arrays("train", SIDE, limit=12).images


def test_nwot_sees_swapped_sites_of_any_activation(
    abd: WithNet, original: Assignment, images: np.ndarray
) -> None:
    first, last = original.sites[0], original.sites[-1]
    base, early, head, gelu = nwot.score(
        abd.net,
        [
            original,
            original.replace({first: "relu"}),
            original.replace({last: "relu"}),
            original.replace({first: "gelu"}),
        ],
        images=images,
    )
    assert early != base
    assert gelu not in (base, early)
    assert head == base  # no site comes after it


def test_nwot_is_log_det_of_the_agreement_of_signs(abd: WithNet, images: np.ndarray) -> None:
    import torch

    from engine import swap

    original = sites.original(abd.net, SIDE)
    only = Assignment((("model.0.act", "silu"),))
    net = swap.swapped(abd.net, original).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.train()
    with torch.no_grad():
        first = net.model[0]
        codes = first.bn(first.conv(torch.from_numpy(images[:4]).float() / 255)) > 0
    flat = codes.flatten(1).numpy()
    agree = np.array([[(a == b).sum() for b in flat] for a in flat], dtype=float)
    (got,) = nwot.score(abd.net, [only], images=images[:4], batch=4)
    assert got == pytest.approx(np.linalg.slogdet(agree)[1], rel=1e-9)


def test_nwot_repeats_average_over_seeds(
    abd: WithNet, original: Assignment, images: np.ndarray
) -> None:
    single = [
        nwot.score(abd.net, [original], images=images, batch=6, seed=seed)[0] for seed in (5, 6)
    ]
    both = nwot.score(abd.net, [original], images=images, batch=6, seed=5, repeats=2)
    assert both == [pytest.approx(np.mean(single))]
    assert single[0] != single[1]


def test_distortion_is_zero_for_the_original_and_grows_with_the_swap(
    abd: WithNet, original: Assignment, images: np.ndarray
) -> None:
    zero, one, every, tanh = distortion.score(
        abd.net,
        [
            original,
            original.replace({original.sites[0]: "relu"}),
            Assignment.uniform(original.sites, "relu"),
            Assignment.uniform(original.sites, "tanh"),
        ],
        images=images,
        count=8,
    )
    assert zero == 0.0
    assert 0 > one > every > tanh


def test_supernet_map_is_batchnorm_map_on_other_weights(
    abd: WithNet, original: Assignment, drawings: DataSet, images: np.ndarray
) -> None:
    split = drawings.arrays("val", SIDE, limit=4)
    mixes = [original, Assignment.uniform(original.sites, "relu")]
    shared: dict[str, Any] = {"images": images, "split": split, "names": abd.names}
    assert supernet_map.score(
        abd.net, mixes, trained=["silu", "relu"], **shared
    ) == batchnorm_map.score(abd.net, mixes, **shared)
    with pytest.raises(BadSearch, match="not trained with 'relu'; it knows silu"):
        supernet_map.score(abd.net, mixes, trained=["silu"], **shared)


def test_one_image_is_too_few(abd: WithNet, original: Assignment, images: np.ndarray) -> None:
    with pytest.raises(BadSearch, match="at least 2 images, got 1"):
        nwot.score(abd.net, [original], images=images[:1])
