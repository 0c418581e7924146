"""Whole trainings: what is cut goes on as if it had not been, and who may teach."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import BadSearch, Cancelled
from engine.local_services import LocalServices
from engine.training import TrainingSettings, TrainingSpec
from engine.training.run import TEACHER_WITHIN, WEIGHTS, read_summary, run
from engine.training.spec import Phase
from tests.engine.models import WithNet

SETTINGS = TrainingSettings(
    imgsz=64,
    activations=("relu", "silu"),
    adapt_epochs=2,
    supernet_epochs=2,
    arm_epochs=1,
    batch=8,
    batchnorm_images=8,
)
STEPS = 3  # of an epoch: 24 images

Weights = Mapping[str, torch.Tensor]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads wait for each other ten times as long where other tests want the cores."""
    monkeypatch.setenv("ACTNAS_THREADS", "1")


class Cut(LocalServices):
    """Services that end a training at a pause point."""

    def __init__(self, trainings: Path, *, after: int) -> None:
        super().__init__(trainings=trainings)
        self.left = after

    def pause_point(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("the machine is wanted")


@pytest.fixture(scope="module")
def adapt(abd_checkpoint: Path, molecules: Path) -> TrainingSpec:
    return TrainingSpec(
        phase="adapt",
        model=str(abd_checkpoint),
        model_sha256="0" * 64,
        data=str(molecules),
        data_sha256="0" * 64,
        settings=SETTINGS,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> LocalServices:
    """Services under which nothing is cut."""
    return LocalServices(trainings=tmp_path_factory.mktemp("whole"))


def weights(folder: Path) -> Weights:
    found: Weights = torch.load(folder / WEIGHTS, weights_only=True)
    return found


def same(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("phase", ["adapt", "supernet"])
def test_a_training_that_was_cut_ends_as_one_that_ran_through(
    adapt: TrainingSpec, whole: LocalServices, phase: Phase, tmp_path: Path
) -> None:
    spec = replace(adapt, phase=phase)
    expected = whole.train(spec)
    if spec.parent is not None:
        whole.train(spec.parent)
        (tmp_path / spec.parent.hash).symlink_to(whole.train(spec.parent))
    with pytest.raises(Cancelled):
        Cut(tmp_path, after=STEPS + 1).train(spec)
    folder = tmp_path / spec.hash
    assert not (folder / WEIGHTS).exists()
    assert len(list(folder.glob("*-checkpoint.pt"))) == 1
    # What the first epoch did is not done again: its steps would be one pause point too many.
    assert Cut(tmp_path, after=STEPS).train(spec) == folder
    assert same(weights(folder), weights(expected))
    assert read_summary(folder)["losses"] == read_summary(expected)["losses"]
    assert not list(folder.glob("*-checkpoint.pt"))


def test_what_a_teacher_says_decides_the_weights(adapt: TrainingSpec, whole: LocalServices) -> None:
    """The same steps on the same images, with and without: the teacher is chosen on the way."""
    untaught = replace(adapt, phase="arm")
    taught = replace(untaught, settings=replace(SETTINGS, distil=1.0))
    alone, guided = weights(whole.train(untaught)), weights(whole.train(taught))
    assert not same(alone, guided)
    assert all(value.isfinite().all() for value in guided.values())
    assert taught.teacher is not None
    teacher = whole.train(taught.teacher)  # made on the way
    assert read_summary(teacher)["teacher"] in ("uploaded", "reference")
    assert taught.parent == untaught.parent  # both start from the same adapted weights


def test_a_time_limit_ends_a_training_which_a_longer_one_finishes(
    adapt: TrainingSpec, whole: LocalServices, tmp_path: Path
) -> None:
    services = LocalServices(trainings=tmp_path)
    services.limit(-1.0)
    with pytest.raises(BadSearch, match="time limit is over; what is finished is kept"):
        services.train(adapt)
    services.limit(600.0)
    assert same(weights(services.train(adapt)), weights(whole.train(adapt)))


@pytest.mark.parametrize("upload_knows", [True, False])
def test_the_upload_teaches_if_it_is_nearly_as_good_as_the_reference_arm(
    adapt: TrainingSpec, abd: WithNet, upload_knows: bool, tmp_path: Path
) -> None:
    knows: dict[str, Any] = dict(abd.net.state_dict())
    lost = {**knows, "model.0.conv.weight": torch.zeros_like(knows["model.0.conv.weight"])}
    model = tmp_path / "upload.pt"
    net = abd.net
    own = {name: value.clone() for name, value in knows.items()}
    try:
        net.load_state_dict(knows if upload_knows else lost)
        torch.save({"model": net, "train_args": {"imgsz": 64, "task": "detect"}}, model)
    finally:
        net.load_state_dict(own)
    settings = replace(SETTINGS, imgsz=320)  # the checkpoint finds something there, untrained
    spec = replace(adapt, phase="teacher", model=str(model), settings=settings)
    assert spec.parent is not None
    reference = tmp_path / "trainings" / spec.parent.hash
    reference.mkdir(parents=True)
    torch.save(lost if upload_knows else own, reference / WEIGHTS)
    (reference / "training.json").write_text(json.dumps({"title": "reference arm"}))

    folder = run(
        spec, folder=tmp_path / "teacher", services=LocalServices(trainings=tmp_path / "trainings")
    )
    summary = read_summary(folder)
    scores = summary["val_map50_95"]
    assert abs(scores["uploaded"] - scores["reference"]) > TEACHER_WITHIN  # else it proves nothing
    assert summary["teacher"] == ("uploaded" if upload_knows else "reference")
    assert same(weights(folder), own)
