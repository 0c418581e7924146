"""What the head of a detector puts out before anything is decoded."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["raw"]


def raw(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """``boxes`` [n, 4 reg_max, anchors] and ``scores`` [n, classes, anchors] (logits) of the head
    that is deployed. ``net`` is in eval mode, whatever its BatchNorm layers do.
    """
    predictions: dict[str, Any] = net(x)[1]
    if "one2one" in predictions:
        end_to_end = bool(net.model[-1].end2end)  # type: ignore[index, union-attr]
        predictions = predictions["one2one" if end_to_end else "one2many"]
    return {key: predictions[key] for key in ("boxes", "scores")}
