"""What the engine's benchmark concludes from its rows, which ``make bench-engine`` makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.engine import predict, searches
from tests.benchmarks.engine.testbed import Bed
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows

TARGET = "cpu-openvino-fp32"
MEASURED, HALF = [0.90, 0.95, 1.00], 0.0046


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(work=tmp_path, rows=Rows(tmp_path / "rows", packages=()))


def add(bed: Bed, kind: str, values: dict[str, Any], **inputs: Any) -> None:
    intervals = [[ratio - HALF, ratio + HALF] for ratio in MEASURED]
    found = {"measured": MEASURED, "intervals": intervals, **values}
    bed.rows.add(kind, {"target": TARGET, **inputs}, lambda: found)


def agreed(error: float) -> dict[str, Any]:
    return {"mean_abs_error": error, "half_width": error / 2, "spearman": 1.0, "n": 3}


def number(bed: Bed, name: str) -> Number:
    (found,) = (one for one in predict.numbers(bed) if one.name == name)
    return found


def test_the_row_whose_mixes_were_measured_longest_counts(bed: Bed) -> None:
    settings = {"max_seconds": 60.0}
    for error, more in ((0.02, {}), (0.004, {"truth_s": 240.0})):
        values = {"predicted": [ratio + error for ratio in MEASURED], "agreement": agreed(error)}
        add(bed, "predict", values, cost_model="combined", settings=settings, **more)
    found = number(bed, "predict_openvino")
    assert found.value == 0.004
    # half of .0046 over 2.3 is a standard deviation of .002, whose mean distance is .0016
    assert "itself known to 0.0016" in found.note


@pytest.mark.parametrize(("error", "met"), [(0.02, True), (0.001, False)])
def test_less_time_counts_at_an_equal_or_better_error_only(
    bed: Bed, error: float, met: bool
) -> None:
    for seconds, theirs in ((440.0, error), (300.0, 0.0)):  # the longer lease counts
        ways = {
            "uniform_profile": {"device_s": 40.0, "agreement": agreed(0.005)},
            "one_at_a_time": {"device_s": seconds, "agreement": agreed(theirs)},
        }
        for way in ways.values():
            way["predicted"] = MEASURED
        add(bed, "cost-table", {"ways": ways}, seconds={"one_at_a_time": seconds})
    assert number(bed, f"cost_table_device_s ({TARGET})").met
    assert number(bed, f"cost_table_less_than_one_at_a_time ({TARGET})").met is met


@pytest.mark.parametrize(
    ("uniform", "loss", "met"), [(0.80, 0.002, True), (0.70, 0.002, False), (0.70, 0.008, True)]
)
def test_a_mix_counts_if_no_uniform_model_is_as_fast_within_the_loss(
    uniform: float, loss: float, met: bool
) -> None:
    goal = searches.Goal("any", TARGET, ratio=0.777, loss=0.003)
    rival = {"name": "uniform:relu", "latency_ratio": uniform, "loss": loss}
    seeds = [
        [{"name": "mix", "latency_ratio": ratio, "loss": 0.001}, rival] for ratio in (0.74, 0.76)
    ]
    found = searches.conclude(goal, seeds)
    assert (found.value, found.met) == (0.76, met)
    assert ("the uniform model wins" in found.note) is not met
    assert not searches.conclude(goal, [seeds[0], None]).met  # a seed is missing
    lossy = [[{**seeds[0][0], "loss": 0.02}, rival], seeds[1]]
    assert searches.conclude(goal, lossy).note == "no mix keeps the loss"


def test_what_was_tried_is_told_where_a_target_is_missed() -> None:
    number = Number("search_minutes", "min", ("<=", 12.0), 11.0, note="quiet", tried="all")
    assert number.to_json()["note"] == "quiet"
    assert replace(number, value=13.0).to_json()["note"] == "quiet; tried: all"
    assert replace(number, value=None).to_json()["note"] == "quiet"
