"""A ranking with many entries, each a copy of one that was really published."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.webapp.pages.conftest import World, browse, world
from webapp.ids import new_id
from webapp.leaderboard import ranking
from webapp.leaderboard.models import Entry

__all__ = ["browse", "world"]  # fixtures


@dataclass
class Crowd:
    """Makes copies of ``first`` whose figures are drawn around its own, and lists them."""

    first: Entry
    dice: random.Random

    def more(self, n: int, **figures: object) -> list[Entry]:
        made = []
        for _ in range(n):
            entry = Entry.objects.get(pk=self.first.pk)
            entry.pk, entry.arm, entry.rank = new_id(), f"mix:{Entry.objects.count()}", None
            ratio, score = self.dice.uniform(0.7, 0.9), self.dice.uniform(0.60, 0.66)
            half, width = self.dice.uniform(0.0, 0.04), self.dice.uniform(0.0, 0.03)
            entry.ratio, entry.latency_ms = ratio, 10 * ratio
            if entry.kind == "measured":
                entry.ratio_low, entry.ratio_high = ratio - half, ratio + half
                entry.noise_floor = self.dice.choice([None, 0.005, 0.03])
            entry.map50_95, entry.map_low, entry.map_high = score, score - width, score + width
            for name, value in figures.items():
                setattr(entry, name, value)
            entry.save(force_insert=True)
            ranking.enter(entry)
            made.append(entry)
        return made


@pytest.fixture
def crowd(world: World) -> Callable[[Entry], Crowd]:
    return lambda first: Crowd(first, random.Random(7))
