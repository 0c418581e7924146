"""Output distortion: how far the head's output of a mix is from the original's.

Formula: D = mean over the head's raw box and class outputs t of sum (t - t0)^2 / sum (t0 - mean
t0)^2, with t0 the original's output on the same images; score = -D, so 0 for the original.
BatchNorm is recomputed for every mix, the original included, on the images that D is taken on.

Source: the relative error that layer-wise quantisation searches rank by (e.g. Dong et al., HAWQ,
ICCV 2019, use its second-order relative); nothing of it is specific to activations.

What it cannot see: whether a difference hurts or helps (an output can move and find as much), what
training would repair, and the labels. It agrees well between seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import sites, swap
from engine.estimators.sampling import draw
from engine.training import batchnorm

__all__ = ["score"]


def score(
    net: nn.Module,
    assignments: Sequence[Assignment],
    *,
    images: NDArray[np.uint8],
    seed: int = 0,
    count: int = 32,
    pause: Callable[[], None] | None = None,
) -> list[float]:
    """-D of each assignment against what ``net`` runs now, on ``count`` of ``images`` by ``seed``.

    Raises:
        BadSearch: fewer than two images, or the model has no such site.
        BadModel: the model has no BatchNorm.
    """
    chosen = draw(images, count, seed=seed)
    original = sites.original(net, images.shape[-1])
    reference = _outputs(net, original, chosen)
    scores = []
    for assignment in assignments:
        if pause is not None:
            pause()
        mixed = _outputs(net, assignment, chosen)
        errors = [_relative(mixed[key], reference[key]) for key in reference]
        scores.append(0.0 - sum(errors) / len(errors))
    return scores


def _relative(values: torch.Tensor, reference: torch.Tensor) -> float:
    spread = (reference - reference.mean()).square().sum()
    return float((values - reference).square().sum() / spread)


def _outputs(
    net: nn.Module, assignment: Assignment, images: NDArray[np.uint8], batch: int = 16
) -> dict[str, torch.Tensor]:
    """Raw boxes and class scores of the head that is deployed, for all images."""
    mixed = batchnorm.recompute(swap.swapped(net, assignment), images, batch)
    device = next(mixed.parameters()).device
    parts: list[dict[str, torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            part = torch.from_numpy(images[start : start + batch]).to(device)
            parts.append(_raw(mixed, mixed(part.float() / 255)[1]))
    return {key: torch.cat([part[key].cpu().double() for part in parts]) for key in parts[0]}


def _raw(net: nn.Module, predictions: dict[str, Any]) -> dict[str, torch.Tensor]:
    if "one2one" in predictions:
        end_to_end = bool(net.model[-1].end2end)  # type: ignore[index, union-attr]
        predictions = predictions["one2one" if end_to_end else "one2many"]
    return {key: predictions[key] for key in ("boxes", "scores")}
