"""Sites that hold several activations and run one: how one set of weights serves every mix."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import nn

from devices.assignment import Assignment
from engine import activations, sites


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
        for path in sites.places(site):
            choice = Choice(options, own)
            sites.put(net, path, choice)
            choices.setdefault(site, []).append(choice)
    return choices


def set_mix(choices: Choices, assignment: Assignment) -> None:
    """Let every site run what ``assignment`` says, in place."""
    for site, activation in assignment:
        for choice in choices[site]:
            choice.activation = activation


class MixSampler:
    """Draws the mixes of each training step, by the sandwich rule (Yu et al. 2020, BigNAS).

    All steps of a seed read one endless sequence, ``mixes`` at a time: the original, a random mix,
    a uniform model (they take turns), a random mix, and again. So the ends of the range, between
    which every mix lies, are always trained well. A random mix swaps a share of its sites, the
    share itself drawn evenly: mixes near the original, from which most picks come, are as frequent
    as those far from it. A resumed training goes on with the mixes that it would have had.
    """

    def __init__(
        self, original: Assignment, names: Sequence[str], *, mixes: int, seed: int
    ) -> None:
        uniforms = [Assignment.uniform(original.sites, name) for name in names]
        self._original = original
        self._uniforms = [u for u in uniforms if u != original] or [original]
        self._names, self._mixes, self._seed = list(names), mixes, seed

    def draw(self, step: int) -> list[Assignment]:
        """The ``mixes`` of ``step``, counted from 0."""
        return [self._at(step * self._mixes + i) for i in range(self._mixes)]

    def _at(self, number: int) -> Assignment:
        round_, place = divmod(number, 4)
        if place == 0:
            return self._original
        if place == 2:
            return self._uniforms[round_ % len(self._uniforms)]
        rng = random.Random(f"{self._seed} {number}")
        share = rng.random()
        return Assignment(
            tuple(
                (site, rng.choice(self._names) if rng.random() < share else own)
                for site, own in self._original
            )
        )
