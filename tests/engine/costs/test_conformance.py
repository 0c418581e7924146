"""What every cost model keeps: on a pretended device with a known truth, and on a real runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from devices import run as device_run
from devices.assignment import Assignment
from devices.protocol import MeasureJob, MeasureResult
from engine.costs import COST_MODELS, CostModel, CostTable, Setup, get, neighbours
from engine.costs.agreement import Agreement, agreement
from engine.errors import BadSearch, EngineError
from tests.devices import jobs
from tests.engine.costs.device import ACTIVATIONS, Device

REORDER = {frozenset(("mish", other)): 0.002 for other in ("relu", "silu", "hardswish")}


@pytest.fixture(params=sorted(COST_MODELS))
def fill(request: pytest.FixtureRequest) -> CostModel:
    return get(request.param)


def error(table: CostTable, device: Device) -> Agreement:
    """Of the table's predictions for mixes that it has not seen."""
    unseen = device.unseen()
    return agreement(
        [table.predict_ratio(mix) for mix in unseen], [device.true_ratio(mix) for mix in unseen]
    )


def test_it_predicts_mixes_that_it_has_not_seen(fill: CostModel) -> None:
    device = Device()
    found = error(fill(device.setup()), device)
    assert found.mean_abs_error < 0.005
    assert found.spearman is not None
    assert found.spearman > 0.98


def test_noise_and_neighbours_do_not_break_it(fill: CostModel) -> None:
    device = Device(noise=0.002, beside=REORDER)
    found = error(fill(device.setup()), device)
    assert found.mean_abs_error < 0.03
    assert found.spearman is not None
    assert found.spearman > 0.9


def test_the_table_is_of_what_was_asked(fill: CostModel) -> None:
    device = Device(sites=9, noise=0.002)
    original = device.original.replace({"model.4.act": "gelu"})  # no candidate
    table = fill(device.setup(original))
    assert table.sites == original.sites
    assert table.activations == (*ACTIVATIONS, "gelu")
    assert table.baseline == original
    assert table.predict_ratio(original) == 1.0
    assert table.kind == "measured"
    assert np.isfinite(table.ms[:, : len(ACTIVATIONS)]).all()
    assert np.isfinite(table.ms[4, 4])
    assert CostTable.from_json(table.to_json()).to_json() == table.to_json()
    assert table.details["seconds"] == sum(0.5 * len(names) for names in device.asked)


def test_the_same_answers_give_the_same_table(fill: CostModel) -> None:
    one, again = (fill(Device(noise=0.003).setup()) for _ in range(2))
    assert one.to_json() == again.to_json()


def test_a_device_that_loses_an_arm_is_named(fill: CostModel) -> None:
    device = Device()

    def forgetful(job: MeasureJob) -> MeasureResult:
        result = device.measure(job)
        return result.model_copy(update={"arms": result.arms[:-1]})

    with pytest.raises(EngineError, match=r"job cost-.*: no arm '.*' came back; got: original"):
        fill(replace(device.setup(), measure=forgetful))


def test_an_unknown_cost_model_lists_the_known_ones() -> None:
    with pytest.raises(BadSearch, match="unknown cost model 'guess'; known: one_at_a_time, unifo"):
        get("guess")


def test_it_fills_the_table_of_a_real_runtime(fill: CostModel, tmp_path: Path) -> None:
    base = jobs.detector(tmp_path)
    setup = Setup(
        measure=device_run.run,
        target="cpu-onnxruntime-fp32",
        base=base,
        original=Assignment.uniform(jobs.SITES, "silu"),
        activations=("relu", "silu"),
        settings=jobs.QUICK.model_copy(update={"rounds": 1}),
        pairs=tuple(neighbours.edges(onnx.load(base.path))),
    )
    table = fill(setup)
    assert np.isfinite(table.ms).all()
    assert table.predict_ratio(setup.original) == 1.0
    assert 0.02 < table.predict_ratio(Assignment.uniform(jobs.SITES, "relu")) < 50
