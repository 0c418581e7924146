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
_BLOCK = 125  # resamples at once: what a class's detections need of them stays in the cache


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


def mean_average_precision(stats: Stats, weights: NDArray[np.int32], classes: list[int]) -> Array:
    """mAP over ``classes`` and all thresholds for each row of ``weights`` [resamples, images].

    A weight is how often an image is in the resample. A class without a box in a resample does not
    count there. Returns [resamples]; 0 where no class counts.
    """
    blocks = [weights[start : start + _BLOCK] for start in range(0, len(weights), _BLOCK)]
    return np.concatenate([_mean(stats, block, classes) for block in blocks] or [np.zeros(0)])


def _mean(stats: Stats, weights: NDArray[np.int32], classes: list[int]) -> Array:
    by_image = np.ascontiguousarray(weights.T, dtype=np.int32)  # all resamples of an image together
    total = np.zeros(len(weights))
    counted = np.zeros(len(weights))
    for index in classes:
        truth = stats.true_image[stats.true_cls == index]
        boxes = by_image[truth].sum(axis=0)
        total += np.where(boxes > 0, _class_ap(stats, by_image, index, boxes), 0.0)
        counted += boxes > 0
    return np.divide(total, counted, out=np.zeros_like(total), where=counted > 0)


def _class_ap(
    stats: Stats, by_image: NDArray[np.int32], index: int, boxes: NDArray[np.int64]
) -> Array:
    """Mean AP of one class over the thresholds, for each resample."""
    rows = np.flatnonzero(stats.cls == index)
    rows = rows[np.argsort(-stats.conf[rows], kind="stable")]
    hits = stats.tp[rows]
    right = np.flatnonzero(hits.any(axis=1))
    if right.size == 0:
        return np.zeros(by_image.shape[1])
    weight = by_image[stats.image[rows[: right[-1] + 1]]]
    seen = weight.cumsum(axis=0, dtype=np.int32)[right]
    weight, hits = weight[right], hits[right]
    steps = _steps(boxes)
    result = np.zeros(by_image.shape[1])
    for threshold in range(hits.shape[1]):
        at = hits[:, threshold]
        if at.any():
            result += _area(weight[at].cumsum(axis=0, dtype=np.int32), seen[at], steps)
    return result / hits.shape[1]


def _steps(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many true positives reach each recall of the grid at most: [resamples, 101].

    Found from the same division as recall itself, so that a recall exactly on the grid falls on
    the same side as in ultralytics.
    """
    divisor = np.maximum(boxes, 1)[:, None]
    steps = np.floor(_RECALLS * divisor).astype(np.int64)
    steps -= steps / divisor > _RECALLS
    steps += (steps + 1) / divisor <= _RECALLS
    return steps


def _area(found: NDArray[np.int32], seen: NDArray[np.int32], steps: NDArray[np.int64]) -> Array:
    """Area under each curve; ``found`` and ``seen`` [true positives, resamples] are counts."""
    best = np.zeros((len(found) + 1, found.shape[1]), dtype=np.float32)
    np.divide(found, seen, out=best[:-1], where=seen > 0)
    backwards = best[::-1]  # nothing is reached beyond the last true positive: its row stays 0
    np.maximum.accumulate(backwards, axis=0, out=backwards)
    # One search for all resamples: each has its own range of whole numbers.
    resample = np.arange(found.shape[1], dtype=np.int64)
    span = int(max(found.max(), steps.max())) + 2
    keys = (found.T + (resample * span)[:, None]).ravel()
    places = np.searchsorted(keys, (steps + (resample * span)[:, None]).ravel(), side="right")
    at = places.reshape(steps.shape) - (resample * len(found))[:, None]
    return np.asarray(best[at, resample[:, None]] @ _TRAPEZOID)
