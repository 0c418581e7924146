"""A score is found again by content, and only then."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from devices.assignment import Assignment
from engine import swap
from engine.errors import Cancelled
from engine.estimators import Inputs, ScoreCache
from engine.estimators.cache import fingerprint
from engine.estimators.distortion import Distortion
from engine.estimators.nwot import Nwot
from engine.training.choice import open_sites, set_mix
from tests.engine.models import WithNet


def test_anything_that_decides_a_score_makes_it_new(
    abd: WithNet, original: Assignment, inputs: Inputs, tmp_path: Path
) -> None:
    cache = ScoreCache(tmp_path)
    estimator = Nwot(batch=4)
    other = copy.deepcopy(abd.net)
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    assert inputs.images is not None
    estimator.score(abd.net, [original], inputs, cache=cache)
    estimator.score(abd.net, [original], inputs, seed=1, cache=cache)
    estimator.score(other, [original], inputs, cache=cache)
    Nwot(batch=5).score(abd.net, [original], inputs, cache=cache)
    estimator.score(abd.net, [original], replace(inputs, images=inputs.images[1:]), cache=cache)
    Distortion(count=4).score(abd.net, [original], inputs, cache=cache)
    assert len(list(tmp_path.rglob("*.json"))) == 6
    # labels are nothing to NWOT: the same content, the same score
    estimator.score(abd.net, [original], replace(inputs, split=None), cache=cache)
    assert len(list(tmp_path.rglob("*.json"))) == 6


def test_a_net_is_its_weights_and_the_activations_it_runs(
    abd: WithNet, original: Assignment
) -> None:
    same = fingerprint(copy.deepcopy(abd.net))
    assert same == fingerprint(abd.net)
    site = original.sites[5]
    assert fingerprint(swap.swapped(abd.net, original.replace({site: "relu"}))) != same
    opened = copy.deepcopy(abd.net)
    choices = open_sites(opened, original, ["relu"])
    before = fingerprint(opened)
    set_mix(choices, original.replace({site: "relu"}))  # prints the same, runs another
    assert fingerprint(opened) != before


def test_scores_that_were_there_before_an_end_are_kept(
    abd: WithNet, original: Assignment, inputs: Inputs, tmp_path: Path
) -> None:
    swaps = [original, *(original.replace({site: "relu"}) for site in original.sites[:3])]
    calls = [0]

    def stop() -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise Cancelled("enough")

    cache = ScoreCache(tmp_path)
    with pytest.raises(Cancelled):
        Nwot(batch=4).score(abd.net, swaps, inputs, pause=stop, cache=cache)
    calls[0] = 3
    Nwot(batch=4).score(abd.net, swaps, inputs, pause=stop, cache=cache)
    assert calls[0] == 5  # two of the four were known


def test_a_stored_score_says_what_it_is(
    abd: WithNet, original: Assignment, inputs: Inputs, tmp_path: Path
) -> None:
    (value,) = Nwot(batch=4).score(abd.net, [original], inputs, cache=ScoreCache(tmp_path))
    (path,) = tmp_path.rglob("*.json")
    document = json.loads(path.read_text())
    assert document["score"] == value
    assert document["estimator"] == "nwot"
    assert document["settings"] == {"batch": 4, "repeats": 1}
    assert document["assignment"] == original.hash
