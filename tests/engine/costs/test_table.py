from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from devices import targets
from devices.assignment import Assignment
from engine import costs
from engine.costs import CostTable
from engine.errors import BadSearch
from engine.result import CostTableDocument
from tests.engine.solvers import problems


def test_prediction_is_the_rest_plus_one_entry_a_site() -> None:
    table = problems.table(sites=3, activations=3, memory=True)
    mix = table.baseline.replace({"model.1.act": "relu"})
    expected = table.rest_ms + table.ms[0, 0] + table.ms[1, 1] + table.ms[2, 0]
    assert table.predict(mix) == pytest.approx(expected)
    assert table.predict_ratio(mix) == pytest.approx(expected / table.predict(table.baseline))
    assert table.predict_ratio(table.baseline) == 1.0
    assert table.predict_memory_ratio(table.baseline) == 1.0


def test_order_of_the_assignment_does_not_matter() -> None:
    table = problems.table(sites=4)
    mix = table.baseline.replace({"model.3.act": "relu"})
    assert table.predict(Assignment(mix.choices[::-1])) == table.predict(mix)


def test_ratios_are_changes_against_the_baseline() -> None:
    table = problems.table(sites=4, activations=4)
    swapped = table.baseline.replace({"model.2.act": "hardswish"})
    assert 1 + table.ratios[2, 2] == pytest.approx(table.predict_ratio(swapped))
    assert (table.ratios[:, 0] == 0).all()


@pytest.mark.parametrize("memory", [False, True])
def test_json_brings_it_back(memory: bool) -> None:
    table = problems.table(sites=3, activations=3, memory=memory)
    table.ms[1, 2] = np.nan
    document = json.loads(json.dumps(table.to_json(), allow_nan=False))
    back = CostTable.from_json(document)
    np.testing.assert_array_equal(back.ms, table.ms)
    assert back.baseline == table.baseline
    assert back.memory_unit == table.memory_unit
    assert CostTableDocument.of(table).table().to_json() == table.to_json()


def test_it_refuses_what_does_not_fit() -> None:
    table = problems.table(sites=3)
    with pytest.raises(BadSearch, match=r"ms has shape \(2, 3\); \(3, 3\) is needed"):
        replace(table, ms=table.ms[:2])
    with pytest.raises(BadSearch, match=r"disagree about site 'model\.3\.act'"):
        table.predict(Assignment.uniform([*table.sites, "model.3.act"], "silu"))
    with pytest.raises(BadSearch, match="no column for 'mish'; columns: silu, relu, hardswish"):
        table.predict(Assignment.uniform(table.sites, "mish"))
    with pytest.raises(BadSearch, match="a positive figure is needed"):
        replace(table, rest_ms=-1e6)
    with pytest.raises(BadSearch, match="has schema None"):
        CostTable.from_json({})


@pytest.mark.parametrize(
    ("target", "recipe", "memory_limited", "expected"),
    [
        ("npu-ethos-u55-128-int8", "supernet", True, "one_at_a_time"),
        ("npu-ethos-u55-128-int8", "supernet", False, "uniform_profile"),
        ("cpu-openvino-fp32", "supernet", True, "uniform_profile"),
        ("cpu-litert-int8", "supernet", True, "one_at_a_time"),
        ("cpu-litert-int8", "supernet", False, "uniform_profile"),
        ("cpu-openvino-fp32", "paper", False, "one_at_a_time"),
    ],
)
def test_the_rule_that_picks_a_way(
    target: str, recipe: str, memory_limited: bool, expected: str
) -> None:
    asked = partial(costs.choose, targets.get(target), recipe=recipe, memory_limited=memory_limited)
    assert asked() == expected
    assert asked(asked="one_at_a_time") == "one_at_a_time"
    if expected == "uniform_profile":
        assert asked(asked="combined") == "combined"
    else:
        with pytest.raises(BadSearch, match="'combined' cannot serve it; leave it out"):
            asked(asked="combined")


def test_the_span_holds_every_mix_and_is_reached() -> None:
    table = problems.table(sites=4, activations=3)
    ratios = [
        table.predict_ratio(Assignment(tuple(zip(table.sites, names, strict=True))))
        for names in itertools.product(table.activations, repeat=4)
    ]
    assert table.span[0] == pytest.approx(min(ratios))
    assert table.span[1] == pytest.approx(max(ratios))


def test_a_span_within_the_noise_floor_is_said_in_one_sentence() -> None:
    table = problems.table(sites=4, activations=3)
    far = max(1 - table.span[0], table.span[1] - 1)
    said = table.within_noise(far + 0.001)
    assert said is not None
    assert f"{table.span[0]:.3f} to {table.span[1]:.3f}" in said
    assert "not ranked" in said
    assert table.within_noise(far - 0.001) is None
    assert table.within_noise(0.0) is None  # a modelled target has no noise
