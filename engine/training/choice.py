"""Sites that hold several activations and run one: how one set of weights serves every mix."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import nn

from devices.assignment import Assignment
from engine import activations
from engine.sites import twin


class Choice(nn.Module):
    """Runs the activation named ``activation``. It holds no weights: any mix shares them all."""

    def __init__(self, names: Sequence[str], activation: str) -> None:
        super().__init__()
        self.options = nn.ModuleDict({name: activations.module(name) for name in names})
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.options[self.activation](x)
        return output


Choices = dict[str, list[Choice]]  # per site: its own, and that of a training-only twin


def open_sites(net: nn.Module, original: Assignment, names: Sequence[str]) -> Choices:
    """Put a :class:`Choice` of ``names`` (and the original) at every site of ``net``, in place."""
    choices: Choices = {}
    for site, own in original:
        options = list(dict.fromkeys([*names, own]))
        for path in (site, twin(site)):
            if path is None:
                continue
            parent, _, name = path.rpartition(".")
            choice = Choice(options, own)
            setattr(net.get_submodule(parent), name, choice)
            choices.setdefault(site, []).append(choice)
    return choices


def set_mix(choices: Choices, assignment: Assignment) -> None:
    """Let every site run what ``assignment`` says, in place."""
    for site, activation in assignment:
        for choice in choices[site]:
            choice.activation = activation


class MixSampler:
    """Draws the mix of each training step.

    With probability ``fixed_share`` one of the uniform models or the original, so that they are
    always well trained; otherwise a random activation per site. Deterministic by seed.
    """

    def __init__(
        self, original: Assignment, names: Sequence[str], *, fixed_share: float, seed: int
    ) -> None:
        uniforms = [Assignment.uniform(original.sites, name) for name in names]
        self._fixed = [original, *(u for u in uniforms if u != original)]
        self._sites, self._names = original.sites, list(names)
        self._share, self._rng = fixed_share, random.Random(seed)

    def draw(self) -> Assignment:
        """The mix of the next step."""
        if self._rng.random() < self._share:
            return self._rng.choice(self._fixed)
        return Assignment(tuple((site, self._rng.choice(self._names)) for site in self._sites))
