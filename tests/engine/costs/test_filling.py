"""Both ways of filling a table find the true costs of a device whose costs add up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from devices.assignment import Assignment
from devices.protocol import File
from engine.costs import CostTable, one_at_a_time, uniform_profile
from engine.errors import EngineError
from tests.engine.costs import results

NAMES = ("relu", "silu", "hardswish")
BASE = File(path="base.onnx", sha256="0" * 64)


def fill(way: object, original: Assignment = results.SILU, **how: object) -> CostTable:
    assert way in (one_at_a_time, uniform_profile)
    job = way.job(  # type: ignore[attr-defined]
        id="j", target="cpu-openvino-fp32", base=BASE, original=original, activations=NAMES
    )
    result = results.answer(job, **how)  # type: ignore[arg-type]
    return way.table(result, original=original, activations=NAMES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", [one_at_a_time, uniform_profile])
@pytest.mark.parametrize("original", [results.SILU, results.SILU.replace({"model.1.act": "relu"})])
def test_every_mix_is_predicted(way: object, original: Assignment) -> None:
    table = fill(way, original, slowdown=1.3)
    for choice in itertools.product(NAMES, repeat=4):
        mix = Assignment(tuple(zip(results.SITES, choice, strict=True)))
        assert table.predict(mix) == pytest.approx(results.true_ms(mix))


def test_one_at_a_time_asks_for_every_other_activation_of_every_site() -> None:
    named = one_at_a_time.assignments(results.SILU, NAMES)
    assert len(named) == 1 + 4 * 2
    assert named["original"] == results.SILU
    for name, mix in named.items():
        if name != "original":
            _, row, activation = name.split(":")
            assert mix[results.SITES[int(row)]] == activation
            assert sum(a != "silu" for a in mix.activations) == 1


def test_one_at_a_time_reads_memory() -> None:
    table = fill(one_at_a_time, memory=lambda mix: 700.0 if mix["model.0.act"] != "silu" else 806.0)
    assert table.memory_unit == "KiB"
    swapped = results.SILU.replace({"model.0.act": "relu"})
    assert table.predict_memory_ratio(swapped) == pytest.approx(700 / 806)
    assert table.predict_memory_ratio(results.SILU) == 1.0


def test_an_activation_that_only_the_original_uses_is_known_at_its_own_sites() -> None:
    original = results.SILU.replace({"model.2.act": "hardswish"})
    job = one_at_a_time.job(
        id="j", target="t", base=BASE, original=original, activations=("relu", "silu")
    )
    table = one_at_a_time.table(
        results.answer(job), original=original, activations=("relu", "silu")
    )
    known = np.isfinite(table.ms[:, table.columns["hardswish"]])
    assert known.tolist() == [False, False, True, False]


def test_uniform_profile_needs_one_arm_an_activation() -> None:
    named = uniform_profile.assignments(results.SILU, NAMES)
    assert list(named) == ["original", "uniform:relu", "uniform:hardswish"]
    mixed = results.SILU.replace({"model.0.act": "gelu"})
    assert list(uniform_profile.assignments(mixed, NAMES)) == [
        "original",
        "uniform:relu",
        "uniform:silu",
        "uniform:hardswish",
        "uniform:gelu",
    ]


def test_uniform_profile_states_its_rescaling() -> None:
    table = fill(uniform_profile, slowdown=1.25)
    for name in NAMES:
        assert table.details["scale_of_profile"][name] == pytest.approx(1 / 1.25)


def test_uniform_sums_equal_the_measured_latency_though_the_rest_differs() -> None:
    job = uniform_profile.job(
        id="j", target="t", base=BASE, original=results.SILU, activations=NAMES
    )
    result = results.answer(job)
    slow_rest = result.arm("uniform:relu")
    assert slow_rest.profile is not None
    slow_rest.profile[-1].ms *= 1.5
    table = uniform_profile.table(result, original=results.SILU, activations=NAMES)
    for name in NAMES:
        mix = Assignment.uniform(results.SITES, name)
        assert table.predict(mix) == pytest.approx(results.true_ms(mix))


def test_missing_arms_and_profiles_are_named() -> None:
    job = uniform_profile.job(
        id="j7", target="t", base=BASE, original=results.SILU, activations=NAMES
    )
    result = results.answer(job)
    short = result.model_copy(update={"arms": result.arms[:1]})
    with pytest.raises(EngineError, match="job j7: no arm 'uniform:relu' came back; got: original"):
        uniform_profile.table(short, original=results.SILU, activations=NAMES)
    result.arms[1].profile = None
    with pytest.raises(EngineError, match="'uniform:relu' came back without a profile"):
        uniform_profile.table(result, original=results.SILU, activations=NAMES)
