"""Choosing mixes for a cost study of a pretended device."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices.assignment import Assignment
from devices.protocol import MeasureJob, MeasureResult
from engine.costs import CostTable, get
from engine.local_services import LocalServices
from engine.search import SearchSpec
from engine.stages import accuracy, candidates
from engine.stages.context import Context
from engine.stages.store import StageStore
from tests.engine.costs.device import ACTIVATIONS, Device


class OnDevice(LocalServices):
    """The command line's services, but that the pretended device answers."""

    def __init__(self, device: Device, trainings: Path) -> None:
        super().__init__(trainings=trainings)
        self._device = device

    def measure(self, job: MeasureJob) -> MeasureResult:
        return self._device.measure(job)


def context(device: Device, tmp_path: Path, *, goal: float | None = None) -> Context:
    spec = SearchSpec(
        model=tmp_path / "model.onnx",
        target="cpu-onnxruntime-fp32",
        out=tmp_path,
        activations=ACTIVATIONS,
        max_latency_ratio=goal,
    )
    services = OnDevice(device, tmp_path)
    sites = [
        {"path": site, "activation": name, "shape": [16, 64 - n, 64 - n]}
        for n, (site, name) in enumerate(device.original)
    ]
    base = {"path": "base.onnx", "sha256": "0" * 64}
    facts = {"sites": sites, "kind": "onnx", "base": base, "calibration": None}
    return Context(spec, services, StageStore(tmp_path, services), facts)


def inputs(context: Context, device: Device, floor: float) -> tuple[dict[str, Any], dict[str, Any]]:
    table = get("uniform_profile")(device.setup())
    estimate = accuracy.penalty(context, table)
    return {"table": table.to_json(), "noise_floor": floor}, estimate


def distance(one: Assignment, other: Assignment) -> int:
    return sum(a != b for a, b in zip(one.activations, other.activations, strict=True))


@pytest.mark.parametrize("goal", [None, 0.9, 0.1])
def test_mixes_span_the_range_and_stand_twice_below_a_goal_in_reach(
    goal: float | None, tmp_path: Path
) -> None:
    device = Device()
    search = context(device, tmp_path, goal=goal)
    cost, estimate = inputs(search, device, 0.0)
    found = candidates.solve(search, CostTable.from_json(cost["table"]), estimate)
    assert len(found) == len({s.assignment for s in found})
    assert 3 <= len(found) <= candidates.SCORED
    near = [s for s in found if "rank" in s.details or s is found[0]]
    if goal == 0.9:
        assert len(near) == candidates.NEAR
        for one, other in itertools.combinations(near, 2):
            assert distance(one.assignment, other.assignment) >= round(0.1 * 24)
        for one in near:
            assert one.latency_ratio <= goal * candidates.GOAL_MARGIN + 1e-9
        return
    ratios = [s.latency_ratio for s in found]
    assert max(ratios) - min(ratios) > 0.05


def test_a_block_chooses_for_its_sites(tmp_path: Path) -> None:
    device = Device(per_block=4)
    search = context(device, tmp_path, goal=0.9)
    search.spec = replace(search.spec, unit="block")
    found = candidates.run(search, *inputs(search, device, 0.0))["candidates"]
    assert len(found) >= 3
    for row in found:
        chosen = dict(map(tuple, row["choices"]))
        for block in search.groups:
            assert len(block) == 4
            assert len({chosen[site] for site in block}) == 1


def test_the_rule_of_thumb_takes_part(tmp_path: Path) -> None:
    device = Device()
    search = context(device, tmp_path, goal=0.9)
    found = candidates.run(search, *inputs(search, device, 0.0))["candidates"]
    (rule,) = (row for row in found if row["solver"] == "depth_ordered")
    assert rule["measured_ratio"] is not None
    assert rule["predicted_ratio"] <= 0.9
    swapped = [name == "relu" for _, name in rule["choices"]]
    assert swapped == sorted(swapped, reverse=True)  # the earliest sites are the largest here
    assert 0 < sum(swapped) < len(swapped)


def test_a_mix_that_needs_more_memory_than_predicted_is_not_picked(tmp_path: Path) -> None:
    search = context(Device(), tmp_path)
    search.spec = replace(search.spec, max_memory_ratio=0.9)
    row = {"expected_loss": None, "distortion": None, "pareto": False}
    rows = [
        {**row, "ratio": 0.7, "penalty": 0.2, "measured_memory_ratio": 0.95},
        {**row, "ratio": 0.8, "penalty": 0.1, "measured_memory_ratio": 0.85},
    ]
    assert candidates._picks(search, rows) == [rows[1]]


def test_a_front_is_marked_where_mixes_differ_beyond_the_noise(tmp_path: Path) -> None:
    device = Device(noise=0.001)
    search = context(device, tmp_path, goal=0.9)
    found = candidates.run(search, *inputs(search, device, 0.004))
    assert any(row["pareto"] for row in found["candidates"])
    assert not any("not ranked" in note for note in found["notes"])


def test_where_they_do_not_none_is_ranked_and_a_note_says_so(tmp_path: Path) -> None:
    device = Device(noise=0.001, gain=0.01)
    search = context(device, tmp_path)
    found = candidates.run(search, *inputs(search, device, 0.02))
    assert found["candidates"]
    assert not any(row["pareto"] for row in found["candidates"])
    assert any("mixes are not ranked by latency" in note for note in found["notes"])
    assert np.isfinite([row["ratio"] for row in found["candidates"]]).all()
