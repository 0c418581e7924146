from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from engine import sites, swap
from engine.layers import Layers, layer_of
from tests.engine.models import WithNet


@pytest.mark.parametrize("name", ["v8/yolov8n", "v10/yolov10n", "11/yolo11n"])
@pytest.mark.parametrize("training", [False, True])
def test_a_swap_runs_only_from_its_layer_on_and_gives_the_same(
    name: str, training: bool, family: Callable[[str], WithNet]
) -> None:
    net = copy.deepcopy(family(name).net).train(training)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    original = sites.original(net, 64)
    with torch.no_grad():
        layers = Layers(net, images)
        for site in original.sites[:: len(original.sites) // 4]:
            swap.apply(net, original.replace({site: "relu"}))
            assert _equal(layers.again(layer_of(site)), net(images))
            swap.apply(net, original)
        assert _equal(layers.output, net(images))


def _equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and all(_equal(a[key], b[key]) for key in a | b)
    assert isinstance(a, list | tuple)
    assert isinstance(b, list | tuple)
    return all(_equal(x, y) for x, y in zip(a, b, strict=True))
