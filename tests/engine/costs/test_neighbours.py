"""Which sites are neighbours, and what only their being neighbours costs."""

from __future__ import annotations

import itertools

import numpy as np

from devices.assignment import Assignment
from engine.costs import Composed, mixes, neighbours
from tests.devices import graphs

SITES = tuple(f"model.{n}.act" for n in range(12))
PAIRS = tuple(itertools.pairwise(SITES))
ORIGINAL = Assignment.uniform(SITES, "silu")
NAMES = ("relu", "silu", "gelu")


def composed(n: int = 40) -> list[Composed]:
    drawn = mixes.draw(ORIGINAL, NAMES, n, seed=4)
    return [Composed(mix, 1.0, 0.99, 1.01) for mix in drawn]


def test_sites_that_feed_each_other_are_neighbours() -> None:
    assert neighbours.edges(graphs.detector(sites=True)) == [
        ("stem.act", "body.act"),
        ("body.act", "box.act"),
        ("body.act", "score.act"),
    ]


def test_a_change_between_two_sites_is_named_by_them() -> None:
    found = composed()
    rng = np.random.default_rng(0)
    fifth = [c.assignment[SITES[4]] != c.assignment[SITES[5]] for c in found]
    left = [0.01 * unlike + rng.normal(0, 0.001) for unlike in fifth]
    effects = [e for e in neighbours.effects(found, left, PAIRS) if e.sites is not None]
    assert [e.sites for e in effects] == [(SITES[4], SITES[5])]
    assert effects[0].low < 0.01 < effects[0].high
    assert effects[0].n == sum(fifth)
    assert effects[0].label.startswith("model.4.act and model.5.act unlike: +")


def test_what_an_additive_table_can_hold_is_no_effect() -> None:
    found = composed()
    rng = np.random.default_rng(1)
    left = [0.004 * c.assignment.counts().get("gelu", 0) + rng.normal(0, 0.0005) for c in found]
    assert neighbours.effects(found, left, PAIRS) == []


def test_too_few_mixes_or_no_neighbours_say_nothing() -> None:
    found = composed()
    assert neighbours.effects(found[:3], [0.1, 0.0, 0.3], PAIRS) == []
    assert neighbours.effects(found, [0.0] * len(found), PAIRS) == []
    assert neighbours.effects(found, list(np.linspace(0, 1, len(found))), ()) == []
