"""mAP of a mix under the original's weights, after nothing but new BatchNorm statistics.

Formula: score = mAP50-95 on labelled images after the statistics of every BatchNorm were recomputed
on calibration images with the mix in place (engine/training/batchnorm.py).

Source: recomputing BatchNorm for a changed network is standard in one-shot search (Guo et al.,
"Single Path One-Shot", ECCV 2020) and pruning (Li et al., "EagleEye", ECCV 2020, which ranks
candidates by exactly this accuracy).

What it cannot see: what training with the mix would repair. It favours activations that resemble
the original one (Hardswish for SiLU) over those that train just as well (ReLU).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import evaluation, swap
from engine.data import Split
from engine.estimators.sampling import draw
from engine.training import batchnorm

__all__ = ["score"]


def score(
    net: nn.Module,
    assignments: Sequence[Assignment],
    *,
    images: NDArray[np.uint8],
    split: Split,
    names: Mapping[int, str],
    seed: int = 0,
    count: int = 64,
    min_boxes: int = 1,
    pause: Callable[[], None] | None = None,
) -> list[float]:
    """mAP50-95 (a fraction) of each assignment on ``split``.

    BatchNorm is recomputed on ``count`` of ``images`` (uint8 [n, 3, s, s], of the train split),
    drawn by ``seed``, the same for every assignment.

    Raises:
        BadSearch: fewer than two images, or the model has no such site.
        BadModel: the model has no BatchNorm.
        BadDataSet: no class of ``split`` has ``min_boxes`` boxes.
    """
    calibration = draw(images, count, seed=seed)
    scores = []
    for assignment in assignments:
        if pause is not None:
            pause()
        mixed = batchnorm.recompute(swap.swapped(net, assignment), calibration)
        found = evaluation.evaluate_net(mixed, split, names=names, min_boxes=min_boxes)
        scores.append(found.map50_95)
    return scores
