"""Searches of ONNX uploads with data: nothing can be trained, but output distortion can be had."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from devices.assignment import Assignment
from engine import threads
from engine.costs import CostTable
from engine.onnx_distortion import OutputDistortion
from engine.stages.context import Context

SWAP_IMAGES = 8  # for each (site, activation); they only rank swaps
MIX_IMAGES = 32
ESTIMATOR = "output_distortion"
UNIT = "relative squared error of the head's raw outputs"


def penalty(context: Context, table: CostTable) -> dict[str, Any]:
    """The distortion of every one-swap model, as an ``Estimate`` document (engine/result.py)."""
    measured = _distortion(context, SWAP_IMAGES)
    values = np.zeros(table.ms.shape)
    swaps = [
        (row, column, context.original.replace({site: name}))
        for row, (site, own) in enumerate(context.original)
        for column, name in enumerate(table.activations)
        if name != own
    ]
    for number, (row, column, mix) in enumerate(swaps):
        context.services.pause_point()
        values[row, column] = measured.of(mix)
        if number % 10 == 0:
            context.progress("estimate", number / len(swaps), f"swap {number} of {len(swaps)}")
    return {
        "estimator": ESTIMATOR,
        "unit": UNIT,
        "higher_is_better": False,
        "activations": list(table.activations),
        "penalty": values.tolist(),
        "details": {"images": measured.images, "accuracy": "not measured: this is no mAP"},
    }


class Scorer:
    """Distortion of whole mixes on the first train images; 0 for the original."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _measured(self) -> OutputDistortion:
        return _distortion(self._context, MIX_IMAGES)

    def score(self, assignments: Sequence[Assignment], *, stage: str) -> list[float]:
        """One value an assignment; those scored in an earlier run are not scored again."""
        scores = []
        for number, assignment in enumerate(assignments, start=1):
            scores.append(self._one(assignment))
            self._context.progress(
                stage, number / len(assignments), f"mix {number} of {len(assignments)}"
            )
        return scores

    def _one(self, assignment: Assignment) -> float:
        def measure() -> float:
            self._context.services.pause_point()
            return self._measured.of(assignment)

        return float(self._context.store.remembered(f"distortion {assignment.hash}", measure))


def _distortion(context: Context, images: int) -> OutputDistortion:
    assert context.data is not None
    assert context.model.onnx is not None
    split = context.data.arrays("train", context.imgsz, limit=images)
    return OutputDistortion(context.model.onnx, split.images, threads=threads.use_all())
