"""mAP of a detector on a split, with ultralytics' own matching and AP functions.

One setting for everything that is compared: the one of ultralytics' ``val``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401  # ultralytics' NMS uses it only if somebody imported it
from numpy.typing import NDArray
from torch import nn
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.utils.metrics import ap_per_class, box_iou
from ultralytics.utils.nms import non_max_suppression

from engine import threads
from engine.average_precision import Stats, mean_average_precision
from engine.data import Split
from engine.errors import BadDataSet, EngineError

__all__ = [
    "ClassScore",
    "Evaluation",
    "evaluate",
    "evaluate_net",
    "interval",
    "load",
    "paired_interval",
    "save",
]

CONFIDENCE = 0.001
NMS_IOU = 0.7
MAX_DETECTIONS = 300
THRESHOLDS = torch.linspace(0.5, 0.95, 10)
RESAMPLES = 500

Run = Callable[[NDArray[np.float32]], list[np.ndarray]]


@dataclass(frozen=True)
class ClassScore:
    """AP of one class, as fractions, and the number of its true boxes."""

    ap50: float
    ap50_95: float
    boxes: int


@dataclass(frozen=True)
class Evaluation:
    """mAP on one split, as fractions of 1.

    ``per_class`` holds the classes that count, by name, and ``left_out`` the number of boxes of
    those that were too rare. ``stats`` are the matched detections, from which intervals are made;
    ``images`` is their number of images. ``resampled`` keeps bootstrap values that were asked for.
    """

    map50: float
    map50_95: float
    per_class: dict[str, ClassScore]
    left_out: dict[str, int]
    classes: list[int]
    images: int
    stats: Stats
    resampled: dict[tuple[int, int], NDArray[np.float64]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def summary(self) -> dict[str, Any]:
        """What goes into JSON: everything but the raw matches."""
        return {
            "map50": self.map50,
            "map50_95": self.map50_95,
            "images": self.images,
            "per_class": {name: vars(score) for name, score in self.per_class.items()},
            "left_out": self.left_out,
        }


def evaluate(
    run: Run,
    split: Split,
    *,
    names: Mapping[int, str],
    min_boxes: int = 1,
    also: Sequence[Run] = (),
    pause: Callable[[], None] | None = None,
) -> Evaluation:
    """mAP of ``run`` on ``split``.

    ``run`` maps one image, float32 [1, 3, s, s] in 0..1, to the outputs of an exported detector;
    the first is [1, 4 + classes, anchors], or [1, detections, 6] of a model without NMS. ``also``
    are more of the same, which run other images at the same time. All are called from threads of
    their own while outputs are worked on; ``pause`` is called when none of them runs. Classes with
    fewer than ``min_boxes`` boxes in the split do not count; ``left_out`` names them.

    Raises:
        BadDataSet: the split has no class that counts.
        EngineError: the output has another shape.
    """

    runs = (run, *also)

    def one(run: Run, image: NDArray[np.uint8]) -> torch.Tensor:
        output = run(image[None].astype(np.float32) / np.float32(255))[0]
        return torch.from_numpy(np.ascontiguousarray(output, dtype=np.float32))

    def predictions() -> Iterator[torch.Tensor]:
        ahead: list[Future[torch.Tensor]] = []
        with ThreadPoolExecutor(len(runs)) as background:
            for start in range(0, len(split), len(runs)):
                done = [future.result() for future in ahead]
                if pause is not None:
                    pause()
                images = split.images[start : start + len(runs)]
                ahead = [background.submit(one, *pair) for pair in zip(runs, images, strict=False)]
                yield from done
            yield from (future.result() for future in ahead)

    with threads.one():
        return _evaluate(predictions(), split, names=names, min_boxes=min_boxes)


def evaluate_net(
    net: nn.Module,
    split: Split,
    *,
    names: Mapping[int, str],
    min_boxes: int = 1,
    batch: int = 16,
) -> Evaluation:
    """mAP of a torch detector on ``split``, in batches, on the device that its weights are on.

    The net is left as it was, training or not.

    Raises:
        BadDataSet, EngineError: as :func:`evaluate`.
    """
    device = next(net.parameters()).device

    def predictions() -> Iterator[torch.Tensor]:
        for start in range(0, len(split), batch):
            images = torch.from_numpy(split.images[start : start + batch]).to(device).float() / 255
            # The layout that convolutions are fastest in, whichever the weights have.
            output = net(images.contiguous(memory_format=torch.channels_last))
            yield (output[0] if isinstance(output, (list, tuple)) else output).float().cpu()

    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            return _evaluate(predictions(), split, names=names, min_boxes=min_boxes)
    finally:
        net.train(training)


def interval(
    evaluation: Evaluation, seed: int, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % bootstrap interval of mAP50-95: images are drawn again with replacement."""
    values = _resampled(evaluation, seed, resamples)
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def paired_interval(
    a: Evaluation, b: Evaluation, seed: int, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % bootstrap interval of mAP50-95 of ``a`` minus that of ``b``, on the same resamples.

    Raises:
        EngineError: they were not made on the same images and classes.
    """
    if a.images != b.images or a.classes != b.classes:
        raise EngineError(
            f"paired evaluations need the same images and classes: {a.images} images and "
            f"{len(a.classes)} classes against {b.images} and {len(b.classes)}"
        )
    values = _resampled(a, seed, resamples) - _resampled(b, seed, resamples)
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def _resampled(evaluation: Evaluation, seed: int, resamples: int) -> NDArray[np.float64]:
    key = (seed, resamples)
    if key not in evaluation.resampled:
        n = evaluation.images
        weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        evaluation.resampled[key] = mean_average_precision(
            evaluation.stats, weights.astype(np.int32), evaluation.classes
        )
    return evaluation.resampled[key]


def _evaluate(
    outputs: Iterator[torch.Tensor], split: Split, *, names: Mapping[int, str], min_boxes: int
) -> Evaluation:
    detections: list[torch.Tensor] = []
    for output in outputs:
        if output.ndim != 3 or (output.shape[-1] != 6 and output.shape[1] != 4 + len(names)):
            raise EngineError(
                f"the detector put out {list(output.shape)}; "
                f"expected [n, {4 + len(names)}, anchors]"
            )
        detections += non_max_suppression(
            output,
            CONFIDENCE,
            NMS_IOU,
            multi_label=True,
            max_det=MAX_DETECTIONS,
            max_time_img=1e9,  # its time limit would drop images on a slow machine
        )
    return _score(_matched(detections, split), split, names=names, min_boxes=min_boxes)


def _matched(detections: list[torch.Tensor], split: Split) -> Stats:
    side = split.images.shape[-1]
    validator = SimpleNamespace(iouv=THRESHOLDS)
    tp = []
    for found, truth in zip(detections, split.labels, strict=True):
        boxes = torch.from_numpy(truth[:, 1:] * side)
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
        if len(found) and len(truth):
            matches = DetectionValidator.match_predictions(
                validator,  # type: ignore[arg-type]  # it reads the thresholds and nothing else
                found[:, 5],
                torch.from_numpy(truth[:, 0]),
                box_iou(corners, found[:, :4]),
            )
            tp.append(matches.numpy())
        else:
            tp.append(np.zeros((len(found), len(THRESHOLDS)), dtype=bool))
    rows = torch.cat(detections).numpy() if detections else np.zeros((0, 6), dtype=np.float32)
    counts = [len(found) for found in detections]
    return Stats(
        tp=np.concatenate(tp) if tp else np.zeros((0, len(THRESHOLDS)), dtype=bool),
        conf=rows[:, 4].astype(np.float32),
        cls=rows[:, 5].astype(np.int64),
        image=np.repeat(np.arange(len(counts)), counts),
        true_cls=np.concatenate([t[:, 0] for t in split.labels]).astype(np.int64),
        true_image=np.repeat(np.arange(len(split)), [len(t) for t in split.labels]),
    )


def _score(stats: Stats, split: Split, *, names: Mapping[int, str], min_boxes: int) -> Evaluation:
    counts = split.boxes()
    classes = [index for index, boxes in counts.items() if boxes >= min_boxes]
    if not classes:
        raise BadDataSet(
            f"no class of the {split.name} split has {min_boxes} boxes or more; it has "
            f"{sum(counts.values())} boxes in {len(counts)} classes"
        )
    *_, ap, scored, _, _, _, _, _ = ap_per_class(
        stats.tp, stats.conf, stats.cls.astype(np.float64), stats.true_cls.astype(np.float64)
    )
    of = {int(index): row for index, row in zip(scored, ap, strict=True)}
    kept = np.stack([of[index] for index in classes])
    shown = _distinct(names)
    return Evaluation(
        map50=float(kept[:, 0].mean()),
        map50_95=float(kept.mean()),
        per_class={
            shown[index]: ClassScore(float(of[index][0]), float(of[index].mean()), counts[index])
            for index in classes
        },
        left_out={shown[i]: boxes for i, boxes in counts.items() if i not in classes},
        classes=classes,
        images=len(split),
        stats=stats,
    )


def _distinct(names: Mapping[int, str]) -> dict[int, str]:
    """Class names; one that several classes share gets the class index behind it."""
    uses = Counter(names.values())
    return {i: name if uses[name] == 1 else f"{name} ({i})" for i, name in names.items()}


def save(evaluation: Evaluation, path: Path) -> None:
    """Write ``evaluation`` to ``path`` (.npz), from which paired intervals can be made later."""
    document = {**evaluation.summary(), "classes": evaluation.classes}
    with path.open("wb") as file:
        np.savez_compressed(file, document=json.dumps(document), **vars(evaluation.stats))


def load(path: Path) -> Evaluation:
    """The evaluation that :func:`save` wrote to ``path``."""
    with np.load(path, allow_pickle=False) as file:
        document = json.loads(str(file["document"]))
        stats = Stats(**{entry.name: file[entry.name] for entry in fields(Stats)})
    per_class = document.pop("per_class")
    return Evaluation(
        per_class={name: ClassScore(**score) for name, score in per_class.items()},
        stats=stats,
        **document,
    )
