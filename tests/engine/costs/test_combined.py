"""The combined cost model knows its own error, and what an additive table leaves over."""

from __future__ import annotations

import numpy as np

from engine.costs import combined
from engine.costs.agreement import agreement
from engine.costs.table import CostTable
from tests.engine.costs.device import Device

REORDER = {frozenset(("mish", other)): 0.004 for other in ("relu", "silu", "hardswish")}


def true_error(table: CostTable, device: Device) -> float:
    unseen = device.unseen(200)
    predicted = [table.predict_ratio(mix) for mix in unseen]
    return agreement(predicted, [device.true_ratio(mix) for mix in unseen]).mean_abs_error


def test_the_stated_error_is_that_of_unseen_mixes() -> None:
    device = Device(noise=0.003, beside=REORDER)
    table = combined.fill(device.setup())
    stated = table.details["held_out"]
    assert table.details["held_out_by"] == "mixes measured after the fit"
    assert stated["n"] == table.details["mixes"] - combined.BATCH
    assert 0.4 * stated["mean_abs_error"] < true_error(table, device)
    assert true_error(table, device) < stated["mean_abs_error"] + stated["half_width"]
    assert stated["spearman"] > 0.8


def test_it_mends_what_profiles_cannot_see() -> None:
    device = Device(noise=0.002, beside=REORDER)
    table = combined.fill(device.setup())
    alone, held_out = table.details["profiles_alone"], table.details["held_out"]
    assert alone["n"] == held_out["n"]
    assert held_out["mean_abs_error"] < 0.7 * alone["mean_abs_error"]


def test_it_measures_no_more_than_it_must() -> None:
    quiet, loud = Device(), Device(noise=0.02, beside=REORDER)
    first = combined.fill(quiet.setup())
    assert first.details["mixes"] == 2 * combined.BATCH
    assert first.details["held_out"]["mean_abs_error"] < 1e-6
    second = combined.fill(loud.setup())
    assert second.details["mixes"] == combined.ROUNDS * combined.BATCH
    assert len(loud.asked) == 1 + combined.ROUNDS
    measured = [name for names in loud.asked[1:] for name in names if name != "original"]
    assert len(set(measured)) == len(measured)


def test_neighbours_that_cost_something_together_are_named() -> None:
    device = Device(noise=0.001, beside={frozenset(("mish", "relu")): 0.006})
    found = combined.fill(device.setup()).details["neighbours"]
    pairs = [one for one in found if one["activations"] is not None]
    assert pairs[0]["activations"] == ("mish", "relu")
    assert pairs[0]["low"] <= 0.006 <= pairs[0]["high"]
    assert pairs[0]["label"].startswith("mish beside relu: +0.")


def test_noise_alone_rarely_names_anybody() -> None:
    named = [
        seed
        for seed in range(15)
        if combined.fill(Device(noise=0.004).setup(seed=seed)).details["neighbours"]
    ]
    assert len(named) <= 3  # two looks at 5 % each


def test_a_range_within_the_noise_is_said() -> None:
    dull = Device(noise=0.02, gain=0.01)
    table = combined.fill(dull.setup())
    assert table.details["within_noise"] is not None
    assert "mixes are not ranked by latency here" in table.details["within_noise"]
    lively = Device(noise=0.002)
    assert combined.fill(lively.setup()).details["within_noise"] is None


def test_few_mixes_are_held_out_one_by_one() -> None:
    device = Device(sites=2)
    table = combined.fill(device.setup())
    # 16 assignments, 4 of them uniform: 8 mixes, then 4 more
    assert table.details["mixes"] == 12
    one = Device(sites=1)
    alone = combined.fill(one.setup())
    assert alone.details["mixes"] == 0
    assert alone.details["held_out"] is None
    assert np.isfinite(alone.ms).all()
