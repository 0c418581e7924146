from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from ultralytics.utils.metrics import ap_per_class

from engine import evaluation, export
from engine.average_precision import Stats, mean_average_precision
from engine.data import DataSet, Split
from engine.errors import BadDataSet, EngineError
from engine.evaluation import Evaluation
from tests.engine.models import WithNet

SIDE = 320  # the checkpoint finds something at this size without training


@pytest.fixture(scope="module")
def split(drawings: DataSet) -> Split:
    return drawings.arrays("val", SIDE)


@pytest.fixture(scope="module")
def found(abd: WithNet, split: Split) -> Evaluation:
    return evaluation.evaluate_net(abd.net, split, names=abd.names)


def random_stats(*, images: int, per_image: int, classes: int, seed: int = 0) -> Stats:
    """Detections of which the surer ones are right more often; no two are equally sure."""
    rng = np.random.default_rng(seed)
    count = images * per_image
    conf = (rng.permutation(count) + 1) / (count + 1)
    right = rng.random(count) < conf**2
    tp = right[:, None] & (rng.random((count, 1)) > np.linspace(0, 0.8, 10))
    truth = rng.integers(0, classes, images * 8)
    return Stats(
        tp=tp,
        conf=conf.astype(np.float32),
        cls=rng.integers(0, classes, count),
        image=np.repeat(np.arange(images), per_image),
        true_cls=truth,
        true_image=np.repeat(np.arange(images), 8),
    )


def ultralytics_map(stats: Stats, repeats: np.ndarray) -> float:
    """mAP50-95 by ultralytics' own function with image i taken ``repeats[i]`` times."""
    chosen = np.repeat(np.arange(len(repeats)), repeats)
    rows = np.concatenate([np.flatnonzero(stats.image == i) for i in chosen])
    truth = np.concatenate([stats.true_cls[stats.true_image == i] for i in chosen])
    ap = ap_per_class(stats.tp[rows], stats.conf[rows], stats.cls[rows], truth)[5]
    return float(ap.mean())


@pytest.mark.parametrize("seed", range(6))
def test_resampled_map_equals_ultralytics_on_the_same_images(seed: int) -> None:
    stats = random_stats(images=30, per_image=12 + seed, classes=4, seed=seed)
    weights = np.random.default_rng(seed).multinomial(30, np.full(30, 1 / 30), size=4)
    resamples = np.concatenate([np.ones((1, 30), dtype=int), weights]).astype(np.int32)
    got = mean_average_precision(stats, np.tile(resamples, (60, 1)), [0, 1, 2, 3])
    expected = [ultralytics_map(stats, row) for row in resamples]
    np.testing.assert_allclose(got, np.tile(expected, 60), atol=1e-6)


def test_a_class_absent_from_a_resample_does_not_count() -> None:
    stats = random_stats(images=10, per_image=5, classes=2)
    lonely = Stats(**{**vars(stats), "true_cls": np.where(stats.true_image == 0, 1, 0)})
    weights = np.full((1, 10), 1, dtype=np.int32)
    weights[0, :2] = [0, 2]
    got = mean_average_precision(lonely, weights, [0, 1])
    np.testing.assert_allclose(got, [ultralytics_map(lonely, weights[0])], atol=1e-6)


def test_agrees_with_ultralytics_val_on_the_same_weights(
    abd_checkpoint: Path, molecules: Path, found: Evaluation, tmp_path: Path
) -> None:
    from ultralytics.models import YOLO

    theirs: Any = YOLO(str(abd_checkpoint)).val(
        data=str(molecules / "data.yaml"),
        imgsz=SIDE,
        batch=4,
        rect=False,
        plots=False,
        verbose=False,
        workers=0,
        device="cpu",
        project=str(tmp_path),
    )
    assert found.map50 > 0.1  # it would prove nothing on a model that finds nothing
    assert found.map50 == pytest.approx(theirs.box.map50, abs=0.002)
    assert found.map50_95 == pytest.approx(theirs.box.map, abs=0.002)


def test_the_exported_file_scores_as_the_net(
    abd: WithNet, split: Split, found: Evaluation, tmp_path: Path
) -> None:
    path = export.export(abd.net, tmp_path / "a.onnx", imgsz=SIDE, names=abd.names).path
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(image: NDArray[np.float32]) -> list[np.ndarray]:
        return list(session.run(None, {"images": image}))

    file = evaluation.evaluate(run, split, names=abd.names)
    assert file.map50_95 == pytest.approx(found.map50_95, abs=0.002)
    low, high = evaluation.paired_interval(file, found, seed=0)
    assert -0.005 < low <= high < 0.005
    # Sessions side by side: every image's boxes stay its own.
    beside = evaluation.evaluate(run, split, names=abd.names, also=[run, run])
    assert (beside.map50_95, beside.per_class) == (file.map50_95, file.per_class)


def test_perfect_and_empty_detectors(split: Split, abd: WithNet) -> None:
    def perfect(index: int) -> np.ndarray:
        rows = np.zeros((1, 300, 6), dtype=np.float32)
        boxes = split.labels[index]
        rows[0, : len(boxes), :4] = boxes[:, 1:] * SIDE
        rows[0, : len(boxes), 0:2] -= boxes[:, 3:] * SIDE / 2
        rows[0, : len(boxes), 2:4] = rows[0, : len(boxes), :2] + boxes[:, 3:] * SIDE
        rows[0, : len(boxes), 4] = 0.9
        rows[0, : len(boxes), 5] = boxes[:, 0]
        return rows

    outputs = iter([perfect(index) for index in range(len(split))])
    best = evaluation.evaluate(lambda _: [next(outputs)], split, names=abd.names)
    assert best.map50_95 == pytest.approx(0.995, abs=0.006)  # 101 points end below recall 1
    none = evaluation.evaluate(
        lambda _: [np.zeros((1, 300, 6), dtype=np.float32)], split, names=abd.names
    )
    assert (none.map50, none.map50_95) == (0.0, 0.0)
    assert evaluation.interval(none, seed=0) == (0.0, 0.0)


def test_rare_classes_are_left_out_by_name(found: Evaluation, abd: WithNet, split: Split) -> None:
    counts = {abd.names[index]: boxes for index, boxes in split.boxes().items()}
    fewer = evaluation.evaluate_net(abd.net, split, names=abd.names, min_boxes=15)
    assert found.left_out == {}
    assert fewer.left_out == {name: boxes for name, boxes in counts.items() if boxes < 15}
    assert set(fewer.per_class) == {name for name, boxes in counts.items() if boxes >= 15}
    assert fewer.map50_95 == pytest.approx(
        np.mean([score.ap50_95 for score in fewer.per_class.values()])
    )
    with pytest.raises(BadDataSet, match="no class of the val split has 9999 boxes or more"):
        evaluation.evaluate_net(abd.net, split, names=abd.names, min_boxes=9999)


def test_interval_is_around_the_value_and_fixed_by_seed(found: Evaluation) -> None:
    low, high = evaluation.interval(found, seed=3)
    assert low < found.map50_95 < high + 0.03
    assert (low, high) == evaluation.interval(found, seed=3)
    assert (low, high) != evaluation.interval(found, seed=4)
    assert evaluation.paired_interval(found, found, seed=3) == (0.0, 0.0)


def test_saved_evaluations_come_back(found: Evaluation, tmp_path: Path) -> None:
    evaluation.save(found, tmp_path / "a.npz")
    again = evaluation.load(tmp_path / "a.npz")
    assert again.summary() == found.summary()
    assert evaluation.interval(again, seed=0) == evaluation.interval(found, seed=0)


def test_evaluations_of_other_images_cannot_be_paired(
    abd: WithNet, found: Evaluation, drawings: DataSet
) -> None:
    other = evaluation.evaluate_net(
        abd.net, drawings.arrays("test", SIDE, limit=3), names=abd.names
    )
    with pytest.raises(EngineError, match="need the same images and classes"):
        evaluation.paired_interval(found, other, seed=0)


def test_the_net_is_left_as_it_was(abd: WithNet, drawings: DataSet) -> None:
    small = drawings.arrays("val", 64, limit=2)
    net = abd.net
    before = {key: value.clone() for key, value in net.state_dict().items()}
    evaluation.evaluate_net(net, small, names=abd.names)
    assert not net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_an_output_of_another_shape_is_refused(split: Split) -> None:
    with pytest.raises(EngineError, match=r"put out \[1, 9, 100\]; expected \[n, 6, anchors\]"):
        evaluation.evaluate(
            lambda _: [np.zeros((1, 9, 100), np.float32)], split, names={0: "a", 1: "b"}
        )


def test_intervals_are_fast_enough_for_a_leaderboard() -> None:
    stats = random_stats(images=300, per_image=100, classes=10)
    weights = np.random.default_rng(0).multinomial(300, np.full(300, 1 / 300), size=500)
    started = time.process_time()
    mean_average_precision(stats, weights.astype(np.int32), list(range(10)))
    assert time.process_time() - started < 6
