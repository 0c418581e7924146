"""Both ways of filling a table find the true costs of a device whose costs add up."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from devices.assignment import Assignment
from devices.protocol import ArmResult, File, Interval, MeasureJob, SiteTime
from engine.costs import CostTable, Way, arms, one_at_a_time, uniform_profile
from engine.errors import EngineError
from tests.engine.costs import results

NAMES = ("relu", "silu", "hardswish")
BASE = File(path="base.onnx", sha256="0" * 64)


def ask(way: Way, original: Assignment = results.SILU, id: str = "j") -> MeasureJob:
    return arms.job(
        id=id,
        target="cpu-openvino-fp32",
        base=BASE,
        arms=way.assignments(original, NAMES),
        calibration=None,
        settings=None,
        profile=way.PROFILED,
    )


def fill(way: Way, original: Assignment = results.SILU, **how: Any) -> CostTable:
    result = results.answer(ask(way, original), **how)
    return way.table(result, original=original, activations=NAMES)


@pytest.mark.parametrize("way", [one_at_a_time, uniform_profile])
@pytest.mark.parametrize("original", [results.SILU, results.SILU.replace({"model.1.act": "relu"})])
def test_every_mix_is_predicted(way: Way, original: Assignment) -> None:
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
    table = one_at_a_time.table(
        results.answer(ask(one_at_a_time, original)),
        original=original,
        activations=("relu", "silu"),
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
    result = results.answer(ask(uniform_profile))
    slow_rest = result.arm("uniform:relu")
    assert slow_rest.profile is not None
    slow_rest.profile[-1].ms *= 1.5
    table = uniform_profile.table(result, original=results.SILU, activations=NAMES)
    for name in NAMES:
        mix = Assignment.uniform(results.SITES, name)
        assert table.predict(mix) == pytest.approx(results.true_ms(mix))


def test_missing_arms_and_profiles_are_named() -> None:
    result = results.answer(ask(uniform_profile, id="j7"))
    short = result.model_copy(update={"arms": result.arms[:1]})
    with pytest.raises(EngineError, match="job j7: no arm 'uniform:relu' came back; got: original"):
        uniform_profile.table(short, original=results.SILU, activations=NAMES)
    result.arms[1].profile = None
    with pytest.raises(EngineError, match="'uniform:relu' came back without a profile"):
        uniform_profile.table(result, original=results.SILU, activations=NAMES)


def profiled_twice(noise: float) -> tuple[CostTable, CostTable]:
    """The true table, and the one from profiles that are wrong by ``noise`` at every site."""
    rng = np.random.default_rng(0)
    sites = tuple(f"model.{i}.act" for i in range(60))
    original = Assignment.uniform(sites, "silu")
    named = {**uniform_profile.assignments(original, NAMES), arms.AGAIN: original}
    job = arms.job(
        id="j",
        target="t",
        base=BASE,
        arms=named,
        calibration=None,
        settings=None,
        profile=True,
    )
    weight = {site: 1.0 + row % 5 for row, site in enumerate(sites)}
    # every activation saves its share, give or take 10 % of the site
    share = {
        name: dict(zip(sites, rng.normal(mean, 0.1, len(sites)), strict=True))
        for name, mean in {"silu": 1.0, "relu": 0.6, "hardswish": 0.8}.items()
    }

    def table(error: float) -> CostTable:
        found = []
        base_ms = 10.0 + sum(weight[s] * share["silu"][s] for s in sites)
        for name, mix in named.items():
            times = {s: weight[s] * share[a][s] for s, a in mix}
            ratio = (10.0 + sum(times.values())) / base_ms
            profile = [
                SiteTime(site=s, ms=ms * max(0.05, rng.normal(1, error))) for s, ms in times.items()
            ]
            found.append(
                ArmResult(
                    name=name,
                    file_sha256="0" * 64,
                    latency_ms=base_ms * ratio,
                    ratio=ratio,
                    ratio_interval=Interval(low=ratio, high=ratio),
                    samples_ms=[],
                    profile=[*profile, SiteTime(site="", ms=10.0)],
                )
            )
        result = results.answer_with(job, found)
        return uniform_profile.table(result, original=original, activations=NAMES)

    return table(0.0), table(noise)


def test_noisy_profiles_are_not_believed_site_by_site() -> None:
    truth, noisy = profiled_twice(0.4)
    assert truth.details["trust_in_site_differences"] == 1.0
    assert noisy.details["profile_noise"] == pytest.approx(0.4, rel=0.3)
    assert noisy.details["trust_in_site_differences"] < 0.35
    # what the uniform models cost is still what was measured
    for name in NAMES:
        mix = Assignment.uniform(truth.sites, name)
        assert noisy.predict(mix) == pytest.approx(truth.predict(mix))


def test_quiet_profiles_are_believed() -> None:
    _, quiet = profiled_twice(0.02)
    assert quiet.details["trust_in_site_differences"] > 0.9
