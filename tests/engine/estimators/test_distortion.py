from __future__ import annotations

from devices.assignment import Assignment
from engine.estimators import Inputs
from engine.estimators.distortion import Distortion
from tests.engine.models import WithNet


def test_it_is_zero_for_the_original_and_grows_with_the_swap(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    zero, one, every, tanh = Distortion(count=8).score(
        abd.net,
        [
            original,
            original.replace({original.sites[0]: "relu"}),
            Assignment.uniform(original.sites, "relu"),
            Assignment.uniform(original.sites, "tanh"),
        ],
        inputs,
    )
    assert zero == 0.0
    assert 0 < one < every < tanh
