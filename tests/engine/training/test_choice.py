from __future__ import annotations

from itertools import pairwise
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


SITES = [f"s{i}" for i in range(20)]
SILU = Assignment.uniform(SITES, "silu")


def drawn(mixes: int, *, seed: int = 0, steps: int = 60) -> list[list[Assignment]]:
    sampler = MixSampler(SILU, NAMES, mixes=mixes, seed=seed)
    return [sampler.draw(step) for step in range(steps)]


def test_a_step_of_a_seed_always_draws_the_same_mixes() -> None:
    assert drawn(4, seed=1) == drawn(4, seed=1) != drawn(4, seed=2)
    resumed = MixSampler(SILU, NAMES, mixes=4, seed=1)
    assert resumed.draw(37) == drawn(4, seed=1)[37]


def test_of_four_mixes_one_is_the_original_and_one_a_uniform_model_in_turn() -> None:
    uniforms = {Assignment.uniform(SITES, name) for name in NAMES}
    steps = drawn(4)
    assert all(len(mixes) == 4 and mixes[0] == SILU for mixes in steps)
    assert {mixes[2] for mixes in steps} == uniforms
    assert all(mixes[2] != after[2] for mixes, after in pairwise(steps))


@pytest.mark.parametrize("mixes", [1, 2, 3])
def test_fewer_mixes_a_step_are_the_same_sequence(mixes: int) -> None:
    few = [mix for step in drawn(mixes, steps=12) for mix in step]
    many = [mix for step in drawn(4, steps=12) for mix in step]
    assert few == many[: len(few)]


def test_random_mixes_swap_anything_from_few_sites_to_nearly_all() -> None:
    swaps = [sum(a != "silu" for _, a in mix) for mixes in drawn(4) for mix in mixes[1::2]]
    quarters = [sum(low <= n / len(SITES) <= low + 0.25 for n in swaps) for low in (0, 0.25, 0.5)]
    assert min(quarters) >= 10
    assert all(a in ("silu", *NAMES) for mixes in drawn(4) for mix in mixes for _, a in mix)
