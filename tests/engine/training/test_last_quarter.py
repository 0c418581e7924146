"""The reference arm says whether it was still learning when its training ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import data, loading
from engine.errors import Cancelled
from engine.evaluation import evaluate_net
from engine.local_services import LocalServices
from engine.training import TrainingSettings, TrainingSpec
from engine.training.run import load_weights, read_summary
from tests.engine.training.test_run import STEPS, Cut

SETTINGS = TrainingSettings(
    imgsz=64,
    activations=("relu", "silu"),
    adapt_epochs=1,
    arm_epochs=3,
    batch=8,
    batchnorm_images=8,
)


@pytest.fixture
def reference(
    abd_checkpoint: Path, molecules: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainingSpec:
    monkeypatch.setenv("ACTNAS_THREADS", "1")
    return TrainingSpec(
        phase="arm",
        model=str(abd_checkpoint),
        model_sha256="0" * 64,
        data=str(molecules),
        data_sha256="0" * 64,
        settings=SETTINGS,
    )


def val_map(spec: TrainingSpec, folder: Path) -> float:
    model = loading.load(Path(spec.model), imgsz=64)
    assert model.net is not None
    load_weights(model.net, folder)
    split = data.open_data(Path(spec.data)).arrays("val", 64)
    return evaluate_net(model.net, split, names=model.names).map50_95


def test_it_is_the_difference_of_two_scores_and_a_cut_keeps_the_first(
    reference: TrainingSpec, tmp_path: Path
) -> None:
    through = LocalServices(trainings=tmp_path / "through")
    folder = through.train(reference)
    found = read_summary(folder)["last_quarter"]
    assert found["from_epoch"] == 3  # of four
    assert found["gain"] == pytest.approx(found["after"] - found["before"])
    assert found["after"] == pytest.approx(val_map(reference, folder))

    cut = tmp_path / "cut"
    assert reference.parent is not None
    cut.mkdir()
    (cut / reference.parent.hash).symlink_to(through.train(reference.parent))
    with pytest.raises(Cancelled):  # within the last quarter
        Cut(cut, after=2 * STEPS + 2).train(reference)
    again = read_summary(Cut(cut, after=10 * STEPS).train(reference))["last_quarter"]
    assert again == found
    assert [path.name for path in (cut / reference.hash).glob("*quarter*")] == []


def test_of_short_trainings_it_counts_from_the_adaptation(
    reference: TrainingSpec, tmp_path: Path
) -> None:
    short = replace(reference, settings=replace(SETTINGS, arm_epochs=1))
    services = LocalServices(trainings=tmp_path)
    found = read_summary(services.train(short))["last_quarter"]
    assert found["from_epoch"] == 1
    assert short.parent is not None
    assert services.train(short.parent).exists()
