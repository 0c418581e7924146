"""Memory by steps predicts the peak of any mix, as the planner finds it."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from devices import graph, memory
from devices.assignment import Assignment
from engine.costs import CostTable, mixes, step_memory
from engine.solvers import Infeasible, Problem, milp
from tests.devices import graphs

NAMES = ("silu", "relu", "mish", "gelu", "hardswish")
BASE = graphs.detector(sites=True)


def stem_heavy() -> onnx.ModelProto:
    """Two sites; the first one's map is eight times as large as the second one's."""
    w = graphs.Writer()
    stem = graphs.silu(w, w.conv("stem", "images", (3, 16), side=3, stride=1), "stem/act")
    body = graphs.silu(w, w.conv("body", stem, (16, 8), side=3, stride=2), "body/act")
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    out = helper.make_tensor_value_info(body, TensorProto.FLOAT, [1, 8, 16, 16])
    graph_ = helper.make_graph(w.nodes, "stem heavy", [image], [out], w.weights)
    model = helper.make_model(graph_, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"actnas.sites": json.dumps({stem: "stem", body: "body"})})
    return model


def table(base: onnx.ModelProto, *, int8: bool) -> CostTable:
    sites = tuple(site.key for site in graph.find_sites(base))
    plain = CostTable(
        sites=sites,
        activations=NAMES,
        ms=np.ones((len(sites), len(NAMES))),
        rest_ms=1.0,
        baseline=Assignment.uniform(sites, "silu"),
        kind="measured",
        source="test",
    )
    return step_memory.fill(plain, base, int8=int8)


@pytest.mark.parametrize("int8", [False, True])
def test_the_peak_of_every_mix_is_that_of_its_own_graph(int8: bool) -> None:
    filled = table(BASE, int8=int8)
    assert filled.steps is not None
    base = memory.arena_bytes(BASE, int8=int8)
    for mix in mixes.draw(filled.baseline, NAMES, 20, seed=1):
        swapped = graph.swap(BASE, mix.mapping)
        alive = max(n for _, n in memory.alive_bytes(swapped, int8=int8))
        assert filled.steps.at(filled.indices(mix)).max() == alive
        arena = memory.arena_bytes(swapped, int8=int8)
        assert alive <= arena
        assert filled.predict_memory_ratio(mix) == pytest.approx(arena / base)


def test_a_limit_is_kept_by_the_site_at_the_peak_alone() -> None:
    base = stem_heavy()
    filled = table(base, int8=True)
    penalty = np.tile([0.0, 1.0, 1.0, 1.0, 1.0], (2, 1))
    lean = milp.solve(Problem(filled, penalty, max_memory_ratio=0.6))
    assert lean.assignment["stem"] == "relu"
    assert lean.assignment["body"] == "silu"
    arena = memory.arena_bytes(graph.swap(base, lean.assignment.mapping), int8=True)
    assert lean.memory_ratio == arena / memory.arena_bytes(base, int8=True)
    back = CostTable.from_json(json.loads(json.dumps(filled.to_json())))
    assert back.predict_memory_ratio(lean.assignment) == lean.memory_ratio


def test_where_activations_take_no_memory_no_mix_saves_any() -> None:
    filled = table(stem_heavy(), int8=False)
    with pytest.raises(Infeasible, match=r"0\.95 cannot be reached: the smallest is 1\.0000"):
        milp.solve(Problem(filled, np.zeros(filled.ms.shape), max_memory_ratio=0.95))
