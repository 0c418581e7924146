"""A search on an ONNX upload with data: nothing is trained, output distortion is shown."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from devices.assignment import Assignment
from engine import search
from engine.data import DataSet
from engine.local_services import LocalServices
from engine.onnx_distortion import OutputDistortion
from engine.report import arms_table
from engine.result import Result
from engine.search import SearchSpec
from tests.engine.stages.conftest import SIDE


@pytest.fixture(scope="module")
def study(upload: Path, molecules: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("study")
    spec = SearchSpec(
        model=upload,
        target="npu-ethos-u55-128-int8",
        data=molecules,
        activations=("relu", "silu"),
        max_latency_ratio=0.95,
        out=folder / "out",
    )
    path = search.run(spec, LocalServices(trainings=folder / "trainings"))
    assert not (folder / "trainings").exists()
    return Result.model_validate_json(path.read_text())


def test_no_accuracy_is_claimed(study: Result) -> None:
    assert study.verdict.kind == "cost_study"
    assert all(arm.map50_95 is None and arm.loss is None for arm in study.arms)
    assert any("is no mAP" in note for note in study.notes)
    table = arms_table(study.arms, title="", kind=study.kind)
    columns = [str(column.header) for column in table.columns]
    assert "output\ndistortion" in columns
    assert not any("mAP" in column for column in columns)


def test_every_mix_says_how_far_its_outputs_are(
    study: Result, upload: Path, drawings: DataSet
) -> None:
    far = {arm.name: arm.details["output_distortion"] for arm in study.arms}
    assert far["uploaded"] == far["reference"] == 0
    assert 0 < far["mix"] < far["uniform:relu"]
    images = drawings.arrays("train", SIDE, limit=32).images
    measured = OutputDistortion(onnx.load(upload), images, threads=1)
    mix = next(arm.assignment for arm in study.arms if arm.name == "mix")
    assert far["mix"] == pytest.approx(measured.of(mix), rel=1e-3)


def test_the_solver_was_given_the_distortion_of_single_swaps(
    study: Result, upload: Path, drawings: DataSet
) -> None:
    swaps, mixes = study.estimates
    assert (swaps.estimator, mixes.estimator) == ("output_distortion", "output_distortion")
    assert swaps.penalty is not None
    relu = swaps.activations.index("relu")
    images = drawings.arrays("train", SIDE, limit=8).images
    measured = OutputDistortion(onnx.load(upload), images, threads=1)
    original = Assignment(tuple((site.path, site.activation) for site in study.sites))
    swapped = original.replace({original.sites[1]: "relu"})
    assert swaps.penalty[1][relu] == pytest.approx(measured.of(swapped), rel=1e-3)
    assert {score.assignment for score in mixes.scores} >= {arm.assignment for arm in study.arms}
