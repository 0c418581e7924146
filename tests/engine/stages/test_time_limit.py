"""A search that runs out of time keeps what it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import search
from engine.errors import BadSearch
from engine.local_services import LocalServices
from engine.result import Result
from engine.search import SearchSpec


def test_it_is_resumed_with_a_longer_limit(upload: Path, tmp_path: Path) -> None:
    spec = SearchSpec(
        model=upload,
        target="npu-ethos-u55-128-int8",
        activations=("relu", "silu"),
        out=tmp_path / "out",
        time_limit_min=1e-6,
    )
    services = LocalServices(trainings=tmp_path / "trainings")
    with pytest.raises(BadSearch, match=r"limit of 1e-06 min was over before the stage 'inspect'"):
        search.run(spec, services)
    assert not list((spec.out / "stages").glob("*.json"))
    path = search.run(replace(spec, time_limit_min=60.0), services)
    assert Result.model_validate_json(path.read_text()).verdict.kind == "cost_study"
