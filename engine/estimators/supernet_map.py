"""mAP of a mix under the weights of an activation supernet, without training the mix.

Formula: that of engine/estimators/batchnorm_map.py, on weights that were trained with a random
activation at every site in every step, so that one set of them serves every mix.

Source: weight sharing with a uniform path, Guo et al., "Single Path One-Shot Neural Architecture
Search", ECCV 2020 (arXiv 1904.00420), with activations as the choice.

What it cannot see: what training the one mix gains beyond the shared weights (which is more
for activations that the other mixes disturb), nor anything of an activation that the supernet was
not trained with: those are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.estimators.batchnorm_map import BatchnormMap

__all__ = ["SupernetMap"]


@dataclass(frozen=True, kw_only=True)
class SupernetMap(BatchnormMap):
    """As BatchnormMap; ``net`` holds the supernet's weights and ``inputs.trained`` says which.

    ``net`` may hold choices or activations at its sites: both are replaced in a copy.
    """

    name = "supernet_map"
    needs = frozenset({"images", "labels", "supernet"})
