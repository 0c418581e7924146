"""Learning from a teacher: its classes, its box distributions, what its neck puts out.

Formula, with the teacher's confidence w = max over classes of p_t at each anchor:

- classes: sum of KL(Bernoulli(p_t) || Bernoulli(p_s)) over anchors and classes, over sum w;
- boxes: w-weighted mean of KL(softmax t || softmax s) over the bins of each side (Zheng et al.
  2022, LD); without bins (reg_max 1) the w-weighted mean absolute difference;
- neck: mean over levels of |f_t - f_s|^2 / var(f_t): teacher and student have one architecture, so
  no adapter is needed.

Each is weighted as its counterpart in ultralytics' own loss (class 0.5, distribution 1.5; neck 1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["BOX_GAIN", "CLASS_GAIN", "NECK_GAIN", "Teacher", "distance"]

CLASS_GAIN, BOX_GAIN, NECK_GAIN = 0.5, 1.5, 1.0

Predictions = dict[
    str, Any
]  # "boxes" [n, 4 * bins, anchors], "scores" [n, classes, anchors], "feats"


class Teacher:
    """A frozen model whose outputs a student of the same architecture learns from."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net.eval().requires_grad_(False)

    def __call__(self, images: torch.Tensor) -> Predictions:
        """The raw head outputs for ``images`` [n, 3, s, s] in 0..1."""
        with torch.no_grad():
            return _raw(self._net(images))

    def to(self, where: torch.device) -> Teacher:
        """Itself, moved to ``where``."""
        self._net.to(where)
        return self


def distance(student: Any, teacher: Predictions) -> torch.Tensor:
    """How far ``student``'s training output is from the teacher's, a scalar; 0 if they are equal.

    Both heads of an end-to-end model count, with the mean of the two.
    """
    given = _raw(student)
    if "one2many" in given:
        parts = [distance(given[head], teacher[head]) for head in ("one2many", "one2one")]
        return torch.stack(parts).mean()
    theirs, ours = teacher["scores"], given["scores"]
    target = theirs.sigmoid()
    weight = target.amax(1)  # [n, anchors]
    total = weight.sum().clamp_min(1.0)
    yes = target * (F.logsigmoid(theirs) - F.logsigmoid(ours))
    no = (1 - target) * (F.logsigmoid(-theirs) - F.logsigmoid(-ours))
    classes = (yes + no).sum() / total
    boxes = (_box_distance(given["boxes"], teacher["boxes"]) * weight).sum() / total
    neck = torch.stack(
        [
            F.mse_loss(found, wanted) / wanted.var().clamp_min(1e-6)
            for found, wanted in zip(given["feats"], teacher["feats"], strict=True)
        ]
    ).mean()
    return CLASS_GAIN * classes + BOX_GAIN * boxes + NECK_GAIN * neck


def _box_distance(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """[n, anchors]: mean over the four sides."""
    n, channels, anchors = student.shape
    if channels == 4:
        return (student - teacher).abs().mean(1)
    ours = student.view(n, 4, channels // 4, anchors).log_softmax(2)
    theirs = teacher.view(n, 4, channels // 4, anchors).log_softmax(2)
    return (theirs.exp() * (theirs - ours)).sum(2).mean(1)


def _raw(output: Any) -> Predictions:
    found: Predictions = output[1] if isinstance(output, tuple) else output
    return found
