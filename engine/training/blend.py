"""Sites that go over from one activation to another while a model trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from devices.assignment import Assignment
from engine import activations, sites

HALF = 0.5  # of the training, over which the old activation fades out


class Blend(nn.Module):
    """(1 - share) * old(x) + share * new(x); it holds no weights."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__()
        self.old, self.new = activations.module(old), activations.module(new)
        self.share = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.share >= 1:
            output: torch.Tensor = self.new(x)
            return output
        return torch.lerp(self.old(x), self.new(x), self.share)


def open_sites(net: nn.Module, original: Assignment, wanted: Assignment) -> list[Blend]:
    """Put a :class:`Blend` at every site of ``net`` whose activation changes, in place."""
    to = wanted.mapping
    blends = []
    for site, own in original:
        if to[site] == own:
            continue
        for path in sites.places(site):
            blends.append(Blend(own, to[site]))
            sites.put(net, path, blends[-1])
    return blends


def close_sites(net: nn.Module) -> None:
    """Put the new activation alone wherever ``net`` holds a blend, in place."""
    for path, module in list(net.named_modules()):
        if isinstance(module, Blend):
            sites.put(net, path, module.new)


def anneal(blends: Sequence[Blend], fraction: float) -> None:
    """Set every share for ``fraction`` (0 to 1) of the training: rising evenly to 1 by its half."""
    for blend in blends:
        blend.share = min(1.0, fraction / HALF)
