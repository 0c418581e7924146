"""mAP of many resamples of the images at once, equal to ultralytics' average precision.

ultralytics' AP is a 101-point mean over an interpolated precision-recall curve. Between two true
positives that curve is flat, at the best precision reached from the next one on, so the true
positives alone decide it; that is what makes hundreds of resamples cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stats", "mean_average_precision"]

Array = NDArray[np.float64]

_RECALLS = np.linspace(0, 1, 101)
_TRAPEZOID = np.full(101, 0.01)
_TRAPEZOID[[0, -1]] = 0.005


@dataclass(frozen=True)
class Stats:
    """Matched detections of all images, one row each, and the true classes.

    ``tp`` bool [n, t] says at which of t IoU thresholds the detection is right; ``conf`` and
    ``cls`` [n]; ``image`` [n] the index of its image. ``true_cls`` [m] and ``true_image`` [m]
    are the same for the true boxes.
    """

    tp: NDArray[np.bool_]
    conf: NDArray[np.float32]
    cls: NDArray[np.int64]
    image: NDArray[np.int64]
    true_cls: NDArray[np.int64]
    true_image: NDArray[np.int64]


def mean_average_precision(stats: Stats, weights: Array, classes: list[int]) -> Array:
    """mAP over ``classes`` and all thresholds for each row of ``weights`` [resamples, images].

    A weight is how often an image is in the resample. A class without a box in a resample does not
    count there. Returns [resamples]; 0 where no class counts.
    """
    total = np.zeros(len(weights))
    counted = np.zeros(len(weights))
    for index in classes:
        truth = stats.true_image[stats.true_cls == index]
        boxes = weights[:, truth].sum(axis=1)
        present = boxes > 0
        total[present] += _class_ap(stats, weights[present], index, boxes[present])
        counted += present
    return np.divide(total, counted, out=np.zeros_like(total), where=counted > 0)


def _class_ap(stats: Stats, weights: Array, index: int, boxes: Array) -> Array:
    """Mean AP of one class over the thresholds, for each resample."""
    rows = np.flatnonzero(stats.cls == index)
    rows = rows[np.argsort(-stats.conf[rows], kind="stable")]
    hits = stats.tp[rows]
    right = np.flatnonzero(hits.any(axis=1))
    if right.size == 0:
        return np.zeros(len(weights))
    rows, hits = rows[: right[-1] + 1], hits[: right[-1] + 1]
    weight = weights[:, stats.image[rows]]
    seen = weight.cumsum(axis=1)
    result = np.zeros(len(weights))
    for threshold in range(hits.shape[1]):
        columns = np.flatnonzero(hits[:, threshold])
        if columns.size:
            found = weight[:, columns].cumsum(axis=1)
            result += _area(found, seen[:, columns], boxes)
    return result / hits.shape[1]


def _area(found: Array, seen: Array, boxes: Array) -> Array:
    """Area under each curve; ``found`` and ``seen`` count true positives and all detections."""
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)  # beyond the last true positive
    recall = found / boxes[:, None]
    area = np.empty(len(found))
    for row in range(len(found)):
        at = np.searchsorted(recall[row], _RECALLS, side="right")
        area[row] = best[row, at] @ _TRAPEZOID
    return area
