"""The cost table of a search: by the model that was asked for, and with what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import search
from engine.costs import COST_MODELS
from engine.errors import BadSearch
from engine.local_services import LocalServices
from engine.result import Result
from engine.search import SearchSpec


def study(upload: Path, folder: Path, **options: Any) -> Result:
    """A cost study: nothing is trained, and no data set is needed."""
    spec = SearchSpec(
        model=upload, out=folder / "out", activations=("relu", "silu", "hardswish"), **options
    )
    path = search.run(spec, LocalServices(trainings=folder / "trainings"))
    return Result.model_validate_json(path.read_text())


def test_a_combined_table_says_how_far_off_it_is(upload: Path, tmp_path: Path) -> None:
    found = study(upload, tmp_path, target="npu-ethos-u55-128-int8", cost_model="combined")
    assert found.cost_table is not None
    assert found.cost_table.source.startswith("combined")
    held_out = found.cost_table.details["held_out"]
    assert held_out["n"] >= 8
    assert held_out["mean_abs_error"] < 0.01  # a modelled target has no noise
    assert any(f"off by {held_out['mean_abs_error']:.4f} on average" in n for n in found.notes)
    assert len([lease for lease in found.provenance.leases if lease.startswith("cost-")]) >= 3


def test_the_papers_one_swap_models_have_memory_on_a_measured_target(
    upload: Path, tmp_path: Path
) -> None:
    found = study(upload, tmp_path, target="cpu-onnxruntime-fp32", recipe="paper", lease_s=2.0)
    assert found.cost_table is not None
    assert found.cost_table.source.startswith("one_at_a_time")
    steps = found.cost_table.steps
    assert steps is not None
    assert set(steps.labels) > {site.path for site in found.sites}
    assert all(one.predicted_memory_ratio is not None for one in found.candidates)


def test_an_unknown_cost_model_leaves_nothing(upload: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BadSearch, match=f"unknown cost model 'best'; known: {', '.join(COST_MODELS)}"
    ):
        study(upload, tmp_path, target="cpu-onnxruntime-fp32", cost_model="best")
    assert not (tmp_path / "out").exists()
