"""One small real search of the real checkpoint, shared by the tests of this file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from devices.assignment import Assignment
from devices.errors import BadRequest
from engine import search
from engine.errors import BadSearch, Pending
from engine.local_services import LocalServices
from engine.result import Result
from engine.search import SearchSpec
from engine.services import Event
from engine.training.spec import TrainingSpec

TARGET = "npu-ethos-u55-128-int8"


class Recorded(LocalServices):
    """The command line's own services, which also keep what was asked and told."""

    def __init__(self, trainings: Path) -> None:
        super().__init__(trainings=trainings, on_event=lambda event: self.events.append(event))
        self.events: list[Event] = []
        self.trained: list[str] = []

    def train(self, spec: TrainingSpec) -> Path:
        self.trained.append(spec.hash)
        return super().train(spec)


@pytest.fixture(scope="module")
def spec(
    abd_checkpoint: Path, molecules: Path, tmp_path_factory: pytest.TempPathFactory
) -> SearchSpec:
    return SearchSpec(
        model=abd_checkpoint,
        target=TARGET,
        data=molecules,
        imgsz=96,
        activations=("relu", "silu", "hardswish"),
        epochs=3,
        max_map_loss=0.9,
        max_latency_ratio=0.9,
        lease_s=8.0,
        out=tmp_path_factory.mktemp("search") / "out",
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("trainings"))


@pytest.fixture(scope="module")
def result(spec: SearchSpec, services: Recorded) -> Result:
    return Result.model_validate_json(search.run(spec, services).read_text())


def test_every_arm_stands_in_the_result(result: Result) -> None:
    names = [arm.name for arm in result.arms]
    assert names[:4] == ["uploaded", "reference", "uniform:relu", "uniform:hardswish"]
    assert "mix" in names
    mix = next(arm for arm in result.arms if arm.name == "mix")
    assert mix.assignment.uniform_activation is None or mix.latency_ratio is not None


def test_what_is_costed_is_what_is_scored(result: Result) -> None:
    """On a cost model, too: the TFLite file itself and not the ONNX file that it is made of."""
    assert "mAP is of the file that was costed, on the test split" in result.notes


def test_figures_belong_to_the_file_that_lies_there(spec: SearchSpec, result: Result) -> None:
    for arm in result.arms:
        assert arm.file is not None
        content = (spec.out / arm.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == arm.file_sha256


def test_the_loss_counts_from_the_reference_arm(result: Result) -> None:
    by_name = {arm.name: arm for arm in result.arms}
    reference = by_name["reference"].map50_95 or 0
    for arm in result.arms:
        assert arm.loss == pytest.approx(reference - (arm.map50_95 or 0))


def test_modelled_figures_say_so_and_name_the_other_lowering(result: Result) -> None:
    assert result.kind == "modelled"
    reference = next(arm for arm in result.arms if arm.name == "reference")
    assert reference.latency_ratio == 1
    for arm in result.arms:
        assert arm.ratio_ci is None
        assert arm.one_table_ratio is not None
    assert "; SiLU lowered as LOGISTIC + MUL" in result.verdict.sentence


def test_a_mix_meets_the_goal_and_was_composed_before(result: Result) -> None:
    mix = next(arm for arm in result.arms if arm.name == "mix")
    assert mix.latency_ratio is not None
    assert mix.latency_ratio <= 0.9
    assert any(c.chosen and c.assignment == mix.assignment for c in result.candidates)
    for candidate in result.candidates:
        if candidate.measured_ratio is not None:
            assert candidate.predicted_ratio == pytest.approx(candidate.measured_ratio, rel=0.02)
            assert candidate.measured_ratio_one_table is not None
            assert candidate.measured_ratio < candidate.measured_ratio_one_table <= 1.01


def test_mixes_are_told_as_they_are_tried(services: Recorded, result: Result) -> None:
    told = [event.tried for event in services.events if event.kind == "tried"]
    assert all(one["measured_ratio"] is None for one in told[0])  # before the device says more
    scored = [sum(one["map50_95"] is not None for one in rows) for rows in told]
    assert 0 < scored[-1] == len(told[-1])
    assert len(set(scored)) > 2  # one after the other
    assert [one.model_dump(mode="json") for one in result.candidates] == list(told[-1])


def test_the_chosen_companions_describe_the_chosen_file(spec: SearchSpec, result: Result) -> None:
    (chosen, *_) = result.chosen
    assignment = Assignment.from_json((spec.out / chosen.assignment.path).read_text())
    assert assignment == chosen_arm(result, chosen.arm)
    assert chosen.state_dict is not None
    assert chosen.yaml is not None
    onnx = next(a for a in result.arms if a.name == chosen.arm).details["onnx"]["path"]
    session = onnxruntime.InferenceSession(str(spec.out / onnx), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"images": np.zeros((1, 3, 96, 96), np.float32)})
    assert output.shape[:2] == (1, 4 + 147)


def chosen_arm(result: Result, name: str) -> Assignment:
    return next(arm.assignment for arm in result.arms if arm.name == name)


def test_a_second_run_does_nothing_again(
    spec: SearchSpec, services: Recorded, result: Result
) -> None:
    before = len(services.events)
    path = search.run(spec, services)
    assert Result.model_validate_json(path.read_text()) == result
    assert len(services.events) == before


def test_finished_stages_are_not_repeated(
    spec: SearchSpec, services: Recorded, result: Result
) -> None:
    (spec.out / "result.json").unlink()
    (spec.out / "stages" / "decide.json").unlink()
    begun = len(services.events)
    search.run(spec, services)
    started = [e.stage for e in services.events[begun:] if e.kind == "started"]
    assert started == ["decide"]


def test_another_target_shares_every_training(
    spec: SearchSpec, services: Recorded, result: Result, tmp_path: Path
) -> None:
    class Elsewhere(Recorded):
        """Trains only what is there already; says Pending otherwise."""

        trains_elsewhere = True

        def train(self, spec: TrainingSpec) -> Path:
            if not (self._trainings / spec.hash / "training.json").exists():
                raise Pending(spec.title)
            return super().train(spec)

    elsewhere = Elsewhere(services._trainings)
    # A modelled target picks the same mixes every time, on a busy machine, too.
    other = replace(
        spec, target="npu-ethos-u85-256-int8", out=tmp_path / "out", max_latency_ratio=0.5
    )
    # Only the mixes that this target alone picks are not trained yet.
    with pytest.raises(Pending, match="train mix"):
        search.run(other, elsewhere)
    done = {path.stem for path in (other.out / "stages").glob("*.json")}
    assert done == {"inspect", "cost", "training", "estimate", "candidates"}


def test_a_folder_belongs_to_one_search(
    spec: SearchSpec, services: Recorded, result: Result
) -> None:
    with pytest.raises(BadSearch, match="holds a search with seed = 0, not 5"):
        search.run(replace(spec, seed=5), services)


def test_a_search_that_an_older_version_began_goes_on(
    spec: SearchSpec, services: Recorded, result: Result
) -> None:
    """It knew fewer wishes: those that it did not write down were never other than the default."""
    file = spec.out / "request.json"
    known = json.loads(file.read_text())
    assert known.pop("augment") == "shift"
    file.write_text(json.dumps(known))
    assert search.run(spec, services) == spec.out / "result.json"


def test_an_unknown_target_or_activation_leaves_nothing(
    spec: SearchSpec, services: Recorded, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    with pytest.raises(BadRequest, match="unknown target 'cpu-abacus'"):
        search.run(replace(spec, target="cpu-abacus", out=out), services)
    with pytest.raises(BadRequest, match="unknown activation 'relu7'"):
        search.run(replace(spec, activations=("relu7",), out=out), services)
    assert not out.exists()


def test_without_data_there_is_a_cost_study(
    spec: SearchSpec, services: Recorded, tmp_path: Path
) -> None:
    trained = len(services.trained)
    path = search.run(replace(spec, data=None, out=tmp_path / "study"), services)
    study = Result.model_validate_json(path.read_text())
    assert study.verdict.kind == "cost_study"
    assert all(arm.map50_95 is None and arm.loss is None for arm in study.arms)
    assert len(services.trained) == trained
    assert json.loads(path.read_text())["training"] is None


@pytest.mark.slow
def test_the_papers_recipe_swaps_one_site_at_a_time_and_searches_at_random_beside(
    spec: SearchSpec, services: Recorded, tmp_path: Path
) -> None:
    asked = replace(spec, recipe="paper", activations=("relu", "silu"), out=tmp_path / "paper")
    found = Result.model_validate_json(search.run(asked, services).read_text())
    assert found.cost_table is not None
    assert found.cost_table.source.startswith("one_at_a_time")
    assert "nwot" in [estimate.estimator for estimate in found.estimates]
    beside = [one for one in found.candidates if one.solver == "random_search"]
    assert len(beside) == 1
    assert beside[0].measured_ratio is not None
    assert not beside[0].chosen
    exact = [one for one in found.candidates if one is not beside[0]]
    assert all(one.map50_95 is not None for one in exact)  # shown, but it decides nothing:
    assert all(one.expected_loss is None for one in found.candidates)
    (chosen,) = (one for one in exact if one.chosen)
    assert chosen.measured_ratio is not None
    assert not any(
        one.penalty < chosen.penalty and one.measured_ratio < chosen.measured_ratio
        for one in exact
        if one.measured_ratio is not None
    )
    (mix,) = (arm for arm in found.arms if arm.name == "mix")
    assert mix.loss is not None
    assert any("this one is ours" in note for note in found.notes)
