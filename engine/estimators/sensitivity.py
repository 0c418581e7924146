"""What each single swap costs: the rise of the detection loss under the supernet's weights.

Formula: penalty[s, a] = L(original with site s running a) - L(original), L being the detection
loss on labelled images with BatchNorm taken from that very batch, so that the statistics fit the
swap without a second pass; the layers before the swap are run once. Source: one-shot supernets
(Guo et al. 2020, SPOS) applied to activations. What it cannot see: interactions between swaps, and
how far a fine-tune repairs each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from devices.assignment import Assignment
from engine.data import Split
from engine.layers import Layers, layer_of
from engine.training import loop
from engine.training.choice import open_sites, set_mix

if TYPE_CHECKING:
    from engine.training.loop import Hooks

IMAGES = 16


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
    choices = open_sites(net, original, activations)
    where, kind = loop.device(), loop.precision()
    net.to(where).to(memory_format=torch.channels_last).train()
    criterion = loop.criterion_of(net)
    batch = loop.stack(split, range(min(images, len(split.images))), where=where)
    set_mix(choices, original)
    with torch.no_grad(), torch.autocast(where.type, dtype=torch.bfloat16, enabled=kind == "bf16"):
        layers = Layers(net, batch["img"])

    def loss(predictions: Any) -> float:
        with torch.no_grad():
            return float(criterion(loop.to_float(predictions), batch)[0].sum()) / len(batch["img"])

    def swapped(site: str, activation: str) -> float:
        set_mix(choices, original.replace({site: activation}))
        with torch.no_grad(), torch.autocast(where.type, torch.bfloat16, enabled=kind == "bf16"):
            return loss(layers.again(layer_of(site)))

    base = loss(layers.output)
    rows: list[list[float]] = []
    for number, (site, own) in enumerate(original):
        row = []
        for activation in activations:
            hooks.pause_point()
            if activation == own:
                row.append(0.0)
                continue
            row.append(swapped(site, activation) - base)
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
