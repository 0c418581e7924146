"""Which images an estimator looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadSearch

__all__ = ["draw"]


def draw(images: NDArray[np.uint8], count: int, *, seed: int) -> NDArray[np.uint8]:
    """``count`` of ``images`` (or all, if there are fewer) without repetition, fixed by ``seed``.

    Raises:
        BadSearch: fewer than two images are there.
    """
    if len(images) < 2:
        raise BadSearch(f"an estimator needs at least 2 images, got {len(images)}")
    if len(images) <= count:
        return images
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return images[np.sort(chosen)]
