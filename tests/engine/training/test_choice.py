from __future__ import annotations

from pathlib import Path

import pytest
import torch

from devices.assignment import Assignment
from engine import loading, sites, swap
from engine.training.choice import MixSampler, open_sites, set_mix

NAMES = ("relu", "hardswish")


def test_a_mix_of_choices_computes_what_the_swapped_model_computes(abd_checkpoint: Path) -> None:
    net = loading.load(abd_checkpoint, imgsz=64).net
    assert net is not None
    original = sites.original(net, 64)
    mix = original.replace({site: NAMES[i % 2] for i, site in enumerate(original.sites[::3])})
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = swap.swapped(net, mix)(image)[0]
        untouched = net(image)[0]
        choices = open_sites(net, original, NAMES)
        set_mix(choices, mix)
        assert torch.equal(net(image)[0], wanted)
        set_mix(choices, original)  # not among NAMES, but always possible
        assert torch.equal(net(image)[0], untouched)
    assert len(choices) == 57


def test_the_sampler_is_deterministic_and_draws_every_fixed_mix() -> None:
    original = Assignment.uniform([f"s{i}" for i in range(20)], "silu")

    def draws(seed: int) -> list[Assignment]:
        sampler = MixSampler(original, NAMES, fixed_share=0.5, seed=seed)
        return [sampler.draw() for _ in range(200)]

    assert draws(1) == draws(1) != draws(2)
    found = draws(1)
    fixed = [original, *(Assignment.uniform(original.sites, name) for name in NAMES)]
    assert set(fixed) <= set(found)
    assert 60 <= sum(mix in fixed for mix in found) <= 140


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_fixed_mixes_is_kept(share: float) -> None:
    original = Assignment.uniform([f"s{i}" for i in range(20)], "silu")
    sampler = MixSampler(original, NAMES, fixed_share=share, seed=0)
    drawn = [sampler.draw() for _ in range(50)]
    assert all((mix.uniform_activation is not None) == bool(share) for mix in drawn)
