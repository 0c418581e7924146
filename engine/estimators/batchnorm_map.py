"""mAP of a mix under the original's weights, after nothing but new BatchNorm statistics.

Formula: score = mAP50-95 on labelled images after the statistics of every BatchNorm were recomputed
on calibration images with the mix in place (engine/training/batchnorm.py). Where the processor
multiplies bfloat16 it does so here (engine/half.py).

Source: recomputing BatchNorm for a changed network is standard in one-shot search (Guo et al.,
"Single Path One-Shot", ECCV 2020) and pruning (Li et al., "EagleEye", ECCV 2020, which ranks
candidates by exactly this accuracy).

What it cannot see: what training with the mix would repair. It favours activations that resemble
the original one (Hardswish for SiLU) over those that train just as well (ReLU).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from devices.assignment import Assignment
from engine import evaluation, half, swap
from engine.errors import BadSearch
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import draw
from engine.training import batchnorm, loop

__all__ = ["BatchnormMap"]


@dataclass(frozen=True, kw_only=True)
class BatchnormMap(Estimator):
    """mAP50-95 (a fraction) on the labelled images; BatchNorm from ``count`` of the others."""

    name = "batchnorm_map"
    unit = "mAP50-95"
    higher_is_better = True
    needs = frozenset({"images", "labels"})
    version = 2  # in bfloat16 where the processor has it

    count: int = 64

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
        if not inputs.names:
            raise BadSearch(f"{self.name} needs the names of the classes; none were given")
        calibration = draw(inputs.images, self.count, seed=seed)
        for assignment in assignments:
            pause()
            mixed = swap.swapped(net, assignment)
            if loop.precision() == "bf16":
                half.body(mixed)
            batchnorm.recompute(mixed, calibration)
            pause()
            yield evaluation.evaluate_net(
                mixed, inputs.split, names=inputs.names, min_boxes=inputs.min_boxes
            ).map50_95
