"""One suite that every estimator passes."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from devices.assignment import Assignment
from engine.errors import BadSearch, Cancelled
from engine.estimators import ESTIMATORS, Estimator, Inputs, ScoreCache, get
from tests.engine.models import WithNet

WITHOUT_DATA = {"synflow", "random"}


@dataclass
class Case:
    estimator: Estimator
    first: list[float]  # of the fixture `mixes`, by seed 0


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def case(
    request: pytest.FixtureRequest, abd: WithNet, mixes: Sequence[Assignment], inputs: Inputs
) -> Case:
    kind = ESTIMATORS[request.param]
    few = {"count": 4, "batch": 4, "side": 64}
    estimator = kind(**{f.name: few[f.name] for f in fields(kind) if f.name in few})
    return Case(estimator, estimator.score(abd.net, mixes, inputs))


def state(net: nn.Module) -> dict[str, Any]:
    """Everything about a net that somebody else may rely on."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": [(path, id(m)) for path, m in net.named_modules(remove_duplicate=False)],
        "training": [m.training for m in net.modules()],
        "hooks": [len(getattr(m, name)) for m in net.modules() for name in hooks],
        "momenta": [getattr(m, "momentum", None) for m in net.modules()],
        "requires_grad": [p.requires_grad for p in net.parameters()],
        "gradients": [p.grad for p in net.parameters()],
        "weights": {key: value.clone() for key, value in net.state_dict().items()},
        "attributes": sorted(vars(net)),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    a, b = before.pop("weights"), after.pop("weights")
    assert before == after
    assert all(torch.equal(a[key], b[key]) for key in a)


@contextmanager
def forward_passes() -> Iterator[list[str]]:
    """The modules that run while it is open."""
    ran: list[str] = []
    handle = nn.modules.module.register_module_forward_pre_hook(
        lambda module, _inputs: ran.append(type(module).__name__)
    )
    try:
        yield ran
    finally:
        handle.remove()


def test_one_finite_number_for_each_assignment(case: Case, mixes: Sequence[Assignment]) -> None:
    assert len(case.first) == len(mixes)
    assert all(isinstance(value, float) and np.isfinite(value) for value in case.first)


def test_a_score_depends_on_the_seed_and_not_on_the_list(
    abd: WithNet, case: Case, mixes: Sequence[Assignment], inputs: Inputs
) -> None:
    again = [mixes[2], mixes[1], mixes[0], mixes[2]]
    expected = [case.first[2], case.first[1], case.first[0], case.first[2]]
    assert case.estimator.score(abd.net, again, inputs) == expected
    assert case.estimator.score(abd.net, [mixes[0]], inputs) == case.first[:1]
    assert case.estimator.score(abd.net, [], inputs) == []
    if case.estimator.name not in {"synflow", "batchnorm_map", "supernet_map"}:
        assert case.estimator.score(abd.net, mixes, inputs, seed=1) != case.first


def test_the_net_is_left_as_it_was(
    abd: WithNet, case: Case, mixes: Sequence[Assignment], inputs: Inputs
) -> None:
    net = copy.deepcopy(abd.net).train()
    next(net.parameters()).requires_grad_(True)
    net.model[3].eval()
    before, random = state(net), torch.random.get_rng_state()
    assert case.estimator.score(net, mixes, inputs) == case.first  # whatever mode it is in
    assert_same(before, state(net))
    assert torch.equal(torch.random.get_rng_state(), random)


def test_whoever_pauses_it_can_end_it(
    abd: WithNet, case: Case, mixes: Sequence[Assignment], inputs: Inputs
) -> None:
    before, calls = state(abd.net), [0]

    def stop_at_the_second() -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise Cancelled("enough")

    if case.estimator.name.startswith("taylor"):
        calls[0] = 1  # one pass for all: one pause
    with pytest.raises(Cancelled, match="enough"):
        case.estimator.score(abd.net, mixes, inputs, pause=stop_at_the_second)
    assert_same(before, state(abd.net))


def test_what_is_known_runs_nothing(
    abd: WithNet, case: Case, mixes: Sequence[Assignment], inputs: Inputs, tmp_path: Path
) -> None:
    estimator, cache = case.estimator, ScoreCache(tmp_path)
    assert estimator.score(abd.net, mixes[:2], inputs, cache=cache) == case.first[:2]
    with forward_passes() as ran:
        assert estimator.score(abd.net, mixes[1::-1], inputs, cache=cache) == case.first[1::-1]
    assert ran == []
    # a third one is computed, and what the cache holds is not
    assert estimator.score(abd.net, mixes, inputs, cache=cache) == case.first
    assert len(list(tmp_path.rglob("*.json"))) == 3


def test_bad_input_is_refused_in_a_line(
    abd: WithNet, case: Case, mixes: Sequence[Assignment], inputs: Inputs
) -> None:
    score = case.estimator.score
    with pytest.raises(BadSearch, match=r"no site 'model\.77\.act'"):
        score(abd.net, [Assignment((("model.77.act", "relu"),))], inputs)
    with pytest.raises(BadSearch, match="seed is -1; expected a whole number from 0"):
        score(abd.net, mixes, inputs, seed=-1)
    if case.estimator.name not in WITHOUT_DATA:
        with pytest.raises(BadSearch, match=rf"{case.estimator.name} needs .*given"):
            score(abd.net, mixes)
        few = replace(inputs, images=_first(inputs.images), split=_short(inputs))
        with pytest.raises(BadSearch, match="at least 2 images, got 1"):
            score(abd.net, mixes, few)
    if "supernet" in case.estimator.needs:
        with pytest.raises(BadSearch, match="needs the weights of a supernet"):
            score(abd.net, mixes, replace(inputs, trained=()))
        with pytest.raises(BadSearch, match="not trained with 'relu'; it knows silu"):
            score(abd.net, mixes, replace(inputs, trained=("silu",)))


def test_the_file_says_what_it_computes_and_what_it_cannot_see(case: Case) -> None:
    text = sys.modules[type(case.estimator).__module__].__doc__ or ""
    for part in ("Formula:", "Source:", "What it cannot see:"):
        assert part in text


def test_an_unknown_estimator_is_refused() -> None:
    assert get("nwot") is ESTIMATORS["nwot"]
    with pytest.raises(BadSearch, match="unknown estimator 'naswot'; known: nwot, grad_norm"):
        get("naswot")


def test_images_of_another_kind_are_refused() -> None:
    with pytest.raises(BadSearch, match=r"images are float32 \[2, 3, 8, 8\]; expected uint8"):
        Inputs(images=np.zeros((2, 3, 8, 8), np.float32))  # type: ignore[arg-type]


def _first(images: Any) -> Any:
    return images[:1]


def _short(inputs: Inputs) -> Any:
    assert inputs.split is not None
    split = inputs.split
    return replace(split, images=split.images[:1], labels=split.labels[:1], paths=split.paths[:1])
