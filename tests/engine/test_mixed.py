"""The mixed model as ultralytics' users work with it; offline, on a few drawings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from numpy.typing import NDArray
from ultralytics.models import YOLO
from ultralytics.nn.modules import Conv

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.graph import find_sites
from devices.protocol import Arm, File, MeasureJob
from devices.run import run
from engine import evaluation, export, loading, mixed, sites, swap
from engine.data import DataSet
from engine.errors import BadModel, BadSearch
from engine.mixed import MixedYOLO
from engine.onnx_distortion import OutputDistortion
from engine.training import batchnorm
from tests.engine.models import WithNet
from tests.engine.test_families import BRIEF

SIDE = 320  # the checkpoint finds something at this size without training
OFFLINE = {"plots": False, "amp": False, "workers": 0, "device": "cpu", "verbose": False}


@pytest.fixture(scope="module")
def mix(abd: WithNet) -> Assignment:
    original = sites.original(abd.net, 64)
    changes = dict.fromkeys(original.sites[::8], "hardswish")
    changes |= dict.fromkeys(original.sites[4::16], "relu")
    return original.replace(changes)


@pytest.fixture(scope="module")
def tuned(abd: WithNet, mix: Assignment, drawings: DataSet) -> Any:
    """The swapped net with BatchNorm statistics of its own, so that it finds something."""
    net = swap.swapped(abd.net, mix)
    return batchnorm.recompute(net, drawings.arrays("train", SIDE).images)


@pytest.fixture(scope="module")
def weights(tuned: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mix.pt"
    torch.save(tuned.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def model(abd_checkpoint: Path, mix: Assignment, weights: Path) -> MixedYOLO:
    return mixed.yolo(abd_checkpoint, mix, state_dict=weights)


@pytest.fixture(scope="module")
def few(drawings: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data.yaml of 8 train and 4 val drawings, in a folder of its own."""
    folder = tmp_path_factory.mktemp("few")
    for split, count in (("train", 8), ("val", 4)):
        for image in drawings.splits[split][:count]:
            label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
            for source, kind in ((image, "images"), (label, "labels")):
                target = folder / kind / split / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    document = {"train": "images/train", "val": "images/val", "names": drawings.names}
    (folder / "data.yaml").write_text(yaml.safe_dump(document))
    return folder / "data.yaml"


@pytest.fixture(scope="module")
def picture(drawings: DataSet) -> NDArray[np.uint8]:
    picture = cv2.imread(str(drawings.splits["val"][0]))
    assert picture is not None
    return picture.astype(np.uint8)


def runs(net: Any) -> Assignment:
    return sites.original(net, 64)


def boxes(predictor: Any, picture: NDArray[np.uint8], **more: Any) -> NDArray[np.float32]:
    (found,) = predictor.predict(picture, imgsz=SIDE, conf=0.02, rect=False, verbose=False, **more)
    return np.asarray(found.boxes.data.cpu().numpy())


def test_it_predicts_what_its_exported_file_predicts(
    model: MixedYOLO, tuned: Any, abd: WithNet, picture: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "mixed.onnx"
    export.export(tuned, path, imgsz=SIDE, names=abd.names)
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert {"stride", "task", "names", "imgsz", "batch"} <= set(metadata)
    found, expected = boxes(model, picture), boxes(YOLO(str(path)), picture)
    assert len(expected) > 0
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_val_is_our_own_evaluation_of_the_same_net(
    model: MixedYOLO, tuned: Any, abd: WithNet, drawings: DataSet, molecules: Path, tmp_path: Path
) -> None:
    data = molecules / "data.yaml"
    theirs = model.val(data=str(data), imgsz=SIDE, rect=False, project=str(tmp_path), **OFFLINE)
    ours = evaluation.evaluate_net(tuned, drawings.arrays("val", SIDE), names=abd.names)
    assert ours.map50 > 0.01  # it would prove nothing on a model that finds nothing
    assert theirs.box.map50 == pytest.approx(ours.map50, abs=0.002)
    assert theirs.box.map == pytest.approx(ours.map50_95, abs=0.002)


def test_training_keeps_the_mix(
    abd_checkpoint: Path, mix: Assignment, few: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    default = Conv.default_act
    wanted = mix.replace({mix.sites[10]: "identity"})
    model: Any = mixed.yolo(abd_checkpoint, wanted)
    before = model.model.model[0].conv.weight.clone()
    model.train(data=str(few), imgsz=64, epochs=1, batch=4, project=str(tmp_path), **OFFLINE)
    assert runs(model.model) == wanted
    assert not torch.equal(model.model.model[0].conv.weight, before)
    assert Conv.default_act is default
    assert type(default) is torch.nn.SiLU

    best = Path(model.trainer.best)  # an averaged copy, stripped, as ultralytics writes it
    assert runs(loading.load(best).net) == wanted
    boxes(YOLO(str(best)), picture)
    assert runs(mixed.yolo(best).model) == wanted


def test_both_heads_of_a_model_without_nms_are_trained_with_the_mix(
    family: Callable[[str], WithNet], few: Path, tmp_path: Path
) -> None:
    plain = family("v10/yolov10n")
    original = runs(plain.net)
    wanted = original.replace(dict.fromkeys(original.sites[::2], "relu"))
    model: Any = mixed.yolo(plain.path, wanted)
    model.train(data=str(few), imgsz=64, epochs=1, batch=4, project=str(tmp_path), **OFFLINE)
    heads = [path for path in wanted.sites if sites.twin(path)]
    assert heads
    for path in heads:
        twin = str(sites.twin(path))
        kinds = {type(model.model.get_submodule(name)) for name in (path, twin)}
        assert len(kinds) == 1
    assert model.trainer.ema is not None
    assert {type(m) for m in model.trainer.ema.ema.modules()} >= {torch.nn.ReLU, torch.nn.SiLU}


def test_ultralytics_exports_it_and_the_file_comes_back_as_an_upload(
    model: MixedYOLO,
    mix: Assignment,
    drawings: DataSet,
    picture: NDArray[np.uint8],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(model.export(format="onnx", imgsz=SIDE, simplify=False))
    assert path.resolve() == tmp_path / "ABD-mix.onnx"
    np.testing.assert_allclose(boxes(YOLO(str(path)), picture), boxes(model, picture), atol=0.1)

    upload = loading.load(path)
    assert upload.onnx is not None
    found = find_sites(upload.onnx)
    assert [site.activation for site in found] == list(mix.activations)
    relu = Assignment.uniform([site.key for site in found], "relu")  # by tensor: it knows no paths
    images = drawings.arrays("val", SIDE, limit=1).images
    assert OutputDistortion(upload.onnx, images, threads=1).of(relu) > 0
    file = File(path=str(path), sha256=upload.sha256)
    arms = [Arm(name="a", file=file), Arm(name="b", file=file, assignment=dict(relu.mapping))]
    target = "cpu-onnxruntime-fp32"
    job = MeasureJob(
        id="upload", target=target, arms=arms, baseline="a", settings=BRIEF, memory=False
    )
    assert all(arm.latency_ms > 0 for arm in run(job).arms)


def test_an_assignment_applies_to_any_model_with_the_same_sites(
    family: Callable[[str], WithNet], mix: Assignment, tmp_path: Path
) -> None:
    file = tmp_path / "mix.json"
    file.write_text(mix.to_json())
    larger = mixed.yolo(family("v8/yolov8s").path, file)
    assert runs(larger.model) == mix
    with pytest.raises(BadSearch, match=r"'model\.12\.cv1\.act' is only in the assignment"):
        mixed.yolo(family("v5/yolov5n").path, file)


def test_without_an_assignment_it_runs_what_the_file_holds(abd_checkpoint: Path) -> None:
    plain = mixed.yolo(abd_checkpoint)
    assert runs(plain.model).counts() == {"silu": 57}


def test_what_does_not_fit_is_said_in_one_line(
    abd_checkpoint: Path, abd: WithNet, mix: Assignment, tmp_path: Path
) -> None:
    state = dict(abd.net.state_dict())
    first = next(iter(state))
    state[first] = state[first][:3]
    with pytest.raises(BadModel, match=rf"does not fit ABD\.pt: {first} is \[3, 3, 3, 3\] there"):
        mixed.yolo(abd_checkpoint, mix, state_dict=state)
    with pytest.raises(BadModel, match=r"ABD\.pt is no state dict|ABD\.pt does not fit"):
        mixed.yolo(abd_checkpoint, mix, state_dict=abd_checkpoint)
    with pytest.raises(BadRequest, match=r"no assignment file .*none\.json"):
        mixed.yolo(abd_checkpoint, tmp_path / "none.json")
    path = export.export(abd.net, tmp_path / "a.onnx", imgsz=64, names=abd.names).path
    with pytest.raises(BadModel, match=r"a\.onnx is an ONNX file, which cannot be trained"):
        mixed.yolo(path, mix)


def test_tuning_would_lose_the_mix_and_is_refused(model: MixedYOLO) -> None:
    with pytest.raises(BadSearch, match="cannot be tuned"):
        model.tune(iterations=1)
