from __future__ import annotations

import copy

import pytest
import torch

from engine import sites, swap
from engine.training import blend
from tests.engine.models import WithNet


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 1.0])
def test_a_site_goes_evenly_from_the_old_to_the_new_activation(fraction: float) -> None:
    x = torch.linspace(-3, 3, 50)
    site = blend.Blend("silu", "relu")
    blend.anneal([site], fraction)
    share = min(1.0, 2 * fraction)
    wanted = (1 - share) * torch.nn.functional.silu(x) + share * torch.relu(x)
    torch.testing.assert_close(site(x), wanted)


def test_a_blended_model_begins_as_the_original_and_ends_as_the_pick(abd: WithNet) -> None:
    net = copy.deepcopy(abd.net)
    original = sites.original(net, 64)
    pick = original.replace(dict.fromkeys(original.sites[::2], "relu"))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, wanted = net(image)[0], swap.swapped(net, pick)(image)[0]
        blends = blend.open_sites(net, original, pick)
        assert len(blends) == len(original.sites[::2])
        torch.testing.assert_close(net(image)[0], before)
        blend.anneal(blends, 1.0)
        blend.close_sites(net)
        assert torch.equal(net(image)[0], wanted)
    assert not any(isinstance(module, blend.Blend) for module in net.modules())
    assert sites.original(net, 64) == pick
