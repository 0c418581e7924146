from __future__ import annotations

import pytest
import torch

from devices.assignment import Assignment
from engine import swap
from engine.estimators import Inputs
from engine.estimators.sensitivity import Sensitivity, table
from engine.training import loop
from tests.engine.models import WithNet


def test_a_mix_costs_the_sum_of_what_each_swap_adds_to_the_loss(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.split is not None
    batch = loop.stack(inputs.split, range(8), where=torch.device("cpu"))

    def loss(mix: Assignment) -> float:
        net = swap.swapped(abd.net, mix).train()
        net.args = loop.GAINS
        with torch.no_grad():
            return float(net.loss(batch)[0].sum()) / 8

    a = original.replace({original.sites[0]: "relu"})
    b = original.replace({original.sites[30]: "relu"})
    both = a.replace({original.sites[30]: "relu"})
    got = Sensitivity(count=8).score(abd.net, [a, b, both, original], inputs)
    rises = [loss(mix) - loss(original) for mix in (a, b)]
    assert got[:2] == pytest.approx(rises, abs=1e-4)
    assert got[2] == pytest.approx(sum(got[:2]))
    assert got[3] == 0.0


def test_the_table_of_all_swaps_says_the_same(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.split is not None

    def nothing(*_args: object) -> None:
        return None

    hooks = loop.Hooks(pause_point=nothing, progress=nothing)
    few = Assignment(original.choices[:2])
    net = swap.swapped(abd.net, original)
    found = table(net, few, ["silu", "relu"], split=inputs.split, hooks=hooks)
    swaps = [original.replace({site: "relu"}) for site in few.sites]
    scores = Sensitivity(count=8).score(abd.net, swaps, inputs)
    assert [row[0] for row in found["penalty"]] == [0.0, 0.0]
    bfloat16 = 0.02 * found["base_loss"]  # the table computes as training does
    assert [row[1] for row in found["penalty"]] == pytest.approx(scores, abs=bfloat16)
