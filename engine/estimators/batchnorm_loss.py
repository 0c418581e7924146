"""Detection loss of a mix under the original's weights, after nothing but new BatchNorm statistics.

Formula: score = L, the detection loss (box + class + box distribution, ultralytics' gains) as a
mean over the labelled images, after the statistics of every BatchNorm were recomputed on
calibration images with the mix in place (engine/training/batchnorm.py). Lower is better.

Source: as engine/estimators/batchnorm_map.py (EagleEye, ECCV 2020), with the loss that training
minimises in place of the accuracy: it is smooth where mAP on few images moves in steps.

What it cannot see: what training with the mix would repair, and how detections rank (a mix whose
confidences are all shifted has a high loss and may have the same mAP). Nor a detector that is
broken altogether: ultralytics' targets are soft and follow the overlap of what is found, so that
boxes which hit nothing are asked for nothing, and the loss is low (seen with an untuned SiLU model
at 64 px: 0.75 for Tanh everywhere, 8.3 for the original). It ranks mixes near the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from devices.assignment import Assignment
from engine import swap
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import draw, loss
from engine.training import batchnorm, loop

__all__ = ["BatchnormLoss"]


@dataclass(frozen=True, kw_only=True)
class BatchnormLoss(Estimator):
    """L on all labelled images in parts of ``batch``; BatchNorm from ``count`` of the others."""

    name = "batchnorm_loss"
    unit = "detection loss"
    higher_is_better = False
    needs = frozenset({"images", "labels"})

    count: int = 64
    batch: int = 16

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.images is not None
        assert inputs.split is not None
        calibration = draw(inputs.images, self.count, seed=seed)
        split, total = inputs.split, len(inputs.split)
        where = next(net.parameters()).device
        for assignment in assignments:
            pause()
            mixed = batchnorm.recompute(swap.swapped(net, assignment), calibration)
            value = 0.0
            for start in range(0, total, self.batch):
                pause()
                part = range(start, min(start + self.batch, total))
                with torch.no_grad():
                    value += float(loss(mixed, loop.stack(split, part, where=where))) * len(part)
            yield value / total
