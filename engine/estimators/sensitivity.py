"""What each single swap costs: the rise of the detection loss under the supernet's weights.

Formula: penalty[s, a] = L(original with site s running a) - L(original), L being the detection
loss on one labelled batch with BatchNorm taken from that very batch, so that the statistics fit the
swap without a second pass; the layers before the swap are run once. The score of a mix is the sum
over what it swaps. Lower is better.

Source: one-shot supernets (Guo et al. 2020, SPOS) applied to activations.

What it cannot see: interactions between swaps, how far training repairs each, and a swap that
breaks the detector (engine/estimators/batchnorm_loss.py says why its loss can be low).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from devices.assignment import Assignment
from engine import sites
from engine.data import Split
from engine.estimators import prices
from engine.estimators.base import Estimator, Inputs, Pause
from engine.estimators.sampling import labelled
from engine.layers import Layers, layer_of
from engine.training import loop
from engine.training.choice import open_sites, set_mix

if TYPE_CHECKING:
    from engine.training.loop import Hooks

__all__ = ["IMAGES", "Sensitivity", "table"]

IMAGES = 16


@dataclass(frozen=True, kw_only=True)
class Sensitivity(Estimator):
    """The sum of single-swap penalties on one batch of ``count`` labelled images.

    One forward pass a (site, activation) that occurs in the list, however many mixes share it.
    """

    name = "sensitivity"
    unit = "detection loss"
    higher_is_better = False
    needs = frozenset({"labels", "supernet"})

    count: int = IMAGES

    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        assert inputs.split is not None
        original = sites.original(net, inputs.split.images.shape[-1])
        wanted = prices.swaps(original, assignments)
        where = next(net.parameters()).device
        batch = labelled(inputs.split, self.count, seed=seed, where=where)
        names = sorted({name for _, name in wanted})
        pause()
        base, loss = _asked(copy.deepcopy(net), original, names, batch, kind="fp32")
        known = {}
        for site, activation in wanted:
            pause()
            known[site, activation] = loss(site, activation) - base
        for assignment in assignments:
            yield prices.of_mix(original, assignment, known)


def table(
    net: nn.Module,
    original: Assignment,
    activations: Sequence[str],
    *,
    split: Split,
    hooks: Hooks,
    images: int = IMAGES,
) -> dict[str, Any]:
    """The penalty of every (site, activation), in units of the detection loss (lower is better).

    ``net`` holds the supernet's weights and is used up. Deterministic: the first ``images`` of
    ``split`` are taken.

    Returns:
        ``{"sites", "activations", "penalty" [sites][activations], "base_loss", "images",
        "seconds"}``; the original's own entries are exactly 0.
    """
    started = time.monotonic()
    where = loop.device()
    batch = loop.stack(split, range(min(images, len(split.images))), where=where)
    base, loss = _asked(net.to(where), original, activations, batch, kind=loop.precision())
    rows: list[list[float]] = []
    for number, (site, own) in enumerate(original):
        row = []
        for activation in activations:
            hooks.pause_point()
            row.append(0.0 if activation == own else loss(site, activation) - base)
        rows.append(row)
        hooks.progress((number + 1) / len(original), f"site {number + 1} of {len(original)}")
    return {
        "sites": list(original.sites),
        "activations": list(activations),
        "penalty": rows,
        "base_loss": base,
        "images": len(batch["img"]),
        "seconds": round(time.monotonic() - started, 3),
    }


def _asked(
    net: nn.Module,
    original: Assignment,
    activations: Sequence[str],
    batch: dict[str, torch.Tensor],
    *,
    kind: str,
) -> tuple[float, Callable[[str, str], float]]:
    """The original's loss on ``batch``, and what gives that of a (site, activation).

    ``net`` is used up. A swap runs the layers from its own on; those before it ran once.
    """
    choices = open_sites(net, original, activations)
    net.to(memory_format=torch.channels_last).train()
    criterion = loop.criterion_of(net)
    images = batch["img"]
    precision = partial(torch.autocast, images.device.type, torch.bfloat16, kind == "bf16")
    with torch.no_grad(), precision():
        layers = Layers(net, images)

    def loss(predictions: Any) -> float:
        with torch.no_grad():
            return float(criterion(loop.to_float(predictions), batch)[0].sum()) / len(images)

    def swapped(site: str, activation: str) -> float:
        set_mix(choices, original.replace({site: activation}))
        with torch.no_grad(), precision():
            predictions = layers.again(layer_of(site))
        return loss(predictions)

    return loss(layers.output), swapped
