"""Augmentation that keeps boxes exact and costs next to nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PAD = 114  # the grey that YOLO letterboxes with


def shift(
    image: NDArray[np.uint8], labels: NDArray[np.float32], *, rng: np.random.Generator, most: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """``image`` [3, s, s] moved by up to ``most`` of its side in x and y, and its boxes with it.

    Labels are rows (class, x, y, w, h) in 0..1. Boxes are cut at the edge; those that keep less
    than half of their area are left out.
    """
    size = image.shape[-1]
    limit = round(most * size)
    dx, dy = (int(v) for v in rng.integers(-limit, limit + 1, 2))
    moved = np.full_like(image, _PAD)
    moved[:, max(dy, 0) : size + min(dy, 0), max(dx, 0) : size + min(dx, 0)] = image[
        :, max(-dy, 0) : size + min(-dy, 0), max(-dx, 0) : size + min(-dx, 0)
    ]
    if len(labels) == 0:
        return moved, labels
    offset = np.array([dx, dy], np.float32) / size
    low = labels[:, 1:3] - labels[:, 3:5] / 2 + offset
    high = labels[:, 1:3] + labels[:, 3:5] / 2 + offset
    low, high = low.clip(0, 1), high.clip(0, 1)
    side = high - low
    kept = side.prod(1) >= 0.5 * labels[:, 3:5].prod(1)
    boxes = np.concatenate([labels[:, :1], (low + high) / 2, side], 1)[kept]
    return moved, boxes.astype(np.float32)
