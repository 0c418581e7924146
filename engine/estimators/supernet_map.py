"""mAP of a mix under the weights of an activation supernet, without training the mix.

Formula: that of engine/estimators/batchnorm_map.py, on weights that were trained with a random
activation at every site in every step, so that one set of them serves every mix.

Source: weight sharing with a uniform path, Guo et al., "Single Path One-Shot Neural Architecture
Search", ECCV 2020 (arXiv 1904.00420), with activations as the choice.

What it cannot see: what a fine-tune of the one mix gains beyond the shared weights (which is more
for activations that the other mixes disturb), nor anything of an activation that the supernet was
not trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine.data import Split
from engine.errors import BadSearch
from engine.estimators import batchnorm_map

__all__ = ["score"]


def score(
    net: nn.Module,
    assignments: Sequence[Assignment],
    *,
    trained: Sequence[str],
    images: NDArray[np.uint8],
    split: Split,
    names: Mapping[int, str],
    seed: int = 0,
    count: int = 64,
    min_boxes: int = 1,
    pause: Callable[[], None] | None = None,
) -> list[float]:
    """mAP50-95 (a fraction) of each assignment on ``split``; ``net`` holds the supernet.

    ``trained`` names the activations that the supernet was trained with; the other arguments are
    those of :func:`engine.estimators.batchnorm_map.score`. ``net`` may hold choices or activations
    at its sites: both are replaced in a copy.

    Raises:
        BadSearch: an assignment runs an activation that was not trained; otherwise as there.
    """
    for assignment in assignments:
        strangers = sorted(set(assignment.activations) - set(trained))
        if strangers:
            raise BadSearch(
                f"the supernet was not trained with {strangers[0]!r}; it knows {', '.join(trained)}"
            )
    return batchnorm_map.score(
        net,
        assignments,
        images=images,
        split=split,
        names=names,
        seed=seed,
        count=count,
        min_boxes=min_boxes,
        pause=pause,
    )
