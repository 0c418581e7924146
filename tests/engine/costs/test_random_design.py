"""Regression on random mixes: what more mixes, or a prior, are worth."""

from __future__ import annotations

import pytest

from devices.assignment import Assignment
from engine.costs import CostTable, get, random_design
from engine.costs.agreement import agreement
from engine.errors import BadSearch
from tests.engine.costs.device import ACTIVATIONS, Device


def fitted(device: Device, n: int, prior: CostTable | None = None) -> CostTable:
    named = random_design.assignments(device.original, ACTIVATIONS, n=n)
    result = device.setup().run("random", named, profile=False)
    return random_design.table(
        result, original=device.original, activations=ACTIVATIONS, prior=prior, n=n
    )


def error(table: CostTable, device: Device) -> float:
    unseen = device.unseen()
    predicted = [table.predict_ratio(mix) for mix in unseen]
    return agreement(predicted, [device.true_ratio(mix) for mix in unseen]).mean_abs_error


def test_the_stated_error_is_the_true_one_and_falls_with_more_mixes() -> None:
    device = Device(noise=0.001)
    few, many = fitted(device, 16), fitted(device, 128)
    assert error(many, device) < 0.5 * error(few, device)
    for table in (few, many):
        stated = table.details["held_out"]
        assert 0.4 * error(table, device) < stated["mean_abs_error"] < 2.5 * error(table, device)
    assert many.details["held_out"]["n"] == many.details["mixes"] == 128 + len(ACTIVATIONS) - 1


def test_profiles_as_a_prior_save_mixes() -> None:
    device = Device(noise=0.001)
    profiles = get("uniform_profile")(device.setup())
    with_prior = fitted(device, 16, prior=profiles)
    assert with_prior.details["prior"] == "uniform_profile"
    assert error(with_prior, device) < 0.3 * error(fitted(device, 16), device)


def test_a_prior_of_another_model_is_refused() -> None:
    device, other = Device(), Device(sites=7)
    profiles = get("uniform_profile")(other.setup())
    with pytest.raises(BadSearch, match="disagree about site"):
        fitted(device, 8, prior=profiles)


def test_mixes_are_different_and_never_uniform() -> None:
    device = Device(sites=3)
    named = random_design.assignments(device.original, ACTIVATIONS)
    drawn = [mix for name, mix in named.items() if name.startswith("mix:")]
    assert len(set(drawn)) == len(drawn) <= 4**3 - 4
    assert len(drawn) > 40
    assert all(mix.uniform_activation is None for mix in drawn)
    assert set(named.values()) > {Assignment.uniform(device.original.sites, "relu")}
