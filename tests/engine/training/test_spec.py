from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.assignment import Assignment
from engine.errors import BadSearch
from engine.training import TrainingSettings, TrainingSpec
from engine.training.spec import Phase

SETTINGS = TrainingSettings(imgsz=160, activations=("relu", "silu"))
ADAPT = TrainingSpec(
    phase="adapt",
    model="/a/model.pt",
    model_sha256="m" * 64,
    data="/a/data.yaml",
    data_sha256="d" * 64,
    settings=SETTINGS,
)
MIX = Assignment((("model.0.act", "relu"), ("model.1.act", "silu")))


def test_the_hash_does_not_depend_on_where_files_lie() -> None:
    assert replace(ADAPT, model="/b/other.pt", data="/b/x").hash == ADAPT.hash


@pytest.mark.parametrize(
    "other",
    [
        replace(ADAPT, phase="supernet"),
        replace(ADAPT, model_sha256="n" * 64),
        replace(ADAPT, data_sha256="e" * 64),
        replace(ADAPT, settings=replace(SETTINGS, seed=1)),
        replace(ADAPT, settings=replace(SETTINGS, adapt_epochs=1)),
        replace(ADAPT, phase="arm", assignment=MIX),
    ],
)
def test_the_hash_depends_on_everything_that_decides_the_weights(other: TrainingSpec) -> None:
    assert other.hash != ADAPT.hash


@pytest.mark.parametrize(
    ("phase", "shared", "other"),
    [
        (
            "adapt",
            {"activations": ("relu",), "arm_epochs": 9, "mixes": 2},
            {"augment": "none"},
        ),
        ("supernet", {"arm_epochs": 9}, {"activations": ("relu",)}),
        ("estimate", {"arm_lr": 1.0}, {"mixes": 2}),
        ("arm", {"activations": ("relu",), "supernet_epochs": 9}, {"arm_epochs": 9}),
    ],
)
def test_searches_share_what_their_differences_do_not_touch(
    phase: Phase, shared: dict[str, Any], other: dict[str, Any]
) -> None:
    spec = replace(ADAPT, phase=phase)
    assert replace(spec, settings=replace(SETTINGS, **shared)).hash == spec.hash
    assert replace(spec, settings=replace(SETTINGS, **other)).hash != spec.hash


def test_json_gives_an_equal_spec() -> None:
    spec = replace(ADAPT, phase="arm", assignment=MIX)
    assert TrainingSpec.from_json(spec.to_json()) == spec


def test_every_arm_starts_from_the_same_adaptation() -> None:
    pick = replace(ADAPT, phase="arm", assignment=MIX)
    reference = replace(ADAPT, phase="arm")
    assert pick.parent == reference.parent == ADAPT
    assert replace(ADAPT, phase="supernet").parent == ADAPT


@pytest.mark.parametrize("epochs", [2, 3, 4, 7, 16, 50])
def test_an_arm_trains_for_the_epochs_that_were_asked_for(epochs: int) -> None:
    settings = SETTINGS.scaled(epochs)
    assert settings.epochs("adapt") + settings.epochs("arm") == epochs
    assert min(settings.epochs(phase) for phase in ("adapt", "supernet", "arm")) >= 1


def test_too_few_epochs_are_refused() -> None:
    with pytest.raises(BadSearch, match="epochs is 1; at least 2"):
        SETTINGS.scaled(1)


def test_nobody_teaches_unless_asked_for() -> None:
    assert replace(ADAPT, phase="supernet").teacher is None


@pytest.mark.parametrize("phase", ["supernet", "arm"])
def test_every_arm_has_the_same_teacher_chosen_from_an_untaught_reference_arm(phase: Phase) -> None:
    taught = replace(SETTINGS, distil=1.0)
    teacher = replace(ADAPT, phase=phase, settings=taught, assignment=MIX).teacher
    assert teacher == replace(ADAPT, phase="teacher")
    assert teacher.parent == replace(ADAPT, phase="arm")
    assert teacher.teacher is None


def test_the_adaptation_is_shared_by_searches_with_and_without_a_teacher() -> None:
    taught = replace(ADAPT, phase="supernet", settings=replace(SETTINGS, distil=1.0))
    assert taught.parent == replace(ADAPT, phase="supernet").parent == ADAPT
    pick = replace(taught, phase="arm", assignment=MIX)
    assert pick.parent == ADAPT
