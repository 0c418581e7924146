"""Both orders: exact where the theory says so, and a true derivative on the real detector."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from devices.assignment import Assignment
from engine import activations, sites, swap
from engine.data import Split
from engine.estimators import Inputs, derivatives
from engine.estimators.sampling import batch_statistics, labelled, loss
from engine.estimators.taylor_first import TaylorFirst
from engine.estimators.taylor_second import TaylorSecond
from tests.engine.models import WithNet

SWAP = ("1", "relu")
N = 6


@pytest.fixture
def net() -> nn.Sequential:
    """One site between two linear layers."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.SiLU(), nn.Linear(8, 1)).double()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(N, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def true_rise(net: nn.Module, loss_of: Callable[[nn.Module], torch.Tensor]) -> float:
    with torch.no_grad():
        return float(loss_of(swap.swapped(net, Assignment((SWAP,)))) - loss_of(net))


def test_first_order_is_exact_where_the_loss_is_linear(net: nn.Sequential, x: torch.Tensor) -> None:
    def linear(n: nn.Module) -> torch.Tensor:
        return n(x).mean()

    rise = true_rise(net, linear)
    d = derivatives.along(net, [SWAP], loss=linear)[SWAP]
    assert d.shape == (N,)
    assert abs(rise) > 1e-3
    assert TaylorFirst.price(d) == pytest.approx(rise, rel=1e-9)


def test_second_order_is_exact_on_a_quadratic_with_unit_errors(
    net: nn.Sequential, x: torch.Tensor
) -> None:
    signs = torch.tensor([1.0, -1, 1, 1, -1, 1], dtype=torch.float64)[:, None]
    target = net(x).detach() - signs  # every error is one standard deviation

    def quadratic(n: nn.Module) -> torch.Tensor:
        return ((n(x) - target) ** 2).mean() / 2

    rise = true_rise(net, quadratic)
    d = derivatives.along(net, [SWAP], loss=quadratic)[SWAP]
    assert TaylorSecond.price(d) == pytest.approx(rise, rel=1e-9)
    assert abs(TaylorFirst.price(d) - rise) > 1e-3


def test_a_site_that_reaches_no_loss_costs_nothing(net: nn.Sequential, x: torch.Tensor) -> None:
    def first_layer_only(n: nn.Module) -> torch.Tensor:
        n(x)
        return n[0](x).sum()  # type: ignore[index]

    d = derivatives.along(net, [SWAP], loss=first_layer_only)[SWAP]
    assert d.tolist() == [0.0] * N


def without_boxes(inputs: Inputs) -> Split:
    """No box, so no assignment of boxes to anchors that would move in steps."""
    assert inputs.split is not None
    return replace(inputs.split, labels=[boxes[:0] for boxes in inputs.split.labels])


def numeric(net: nn.Module, paths: list[str], batch: dict[str, torch.Tensor]) -> float:
    """d loss / dt at 0 when the activations at ``paths`` put out y + t (relu(x) - y); in double
    precision, because the rounding of a float32 loss is a twentieth of what it changes by."""
    net = copy.deepcopy(net).double()
    batch = {**batch, "img": batch["img"].double()}
    sites.separate(net)
    batch_statistics(net)
    relu, at = activations.module("relu"), {"t": 0.0}

    def blend(_module: nn.Module, args: tuple[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        return y + at["t"] * (relu(args[0]) - y)

    for path in paths:
        net.get_submodule(path).register_forward_hook(blend)
    values = []
    with torch.no_grad():
        for at["t"] in (-0.1, 0.1):
            values.append(float(loss(net, batch)))
    return (values[1] - values[0]) / 0.2


def test_on_the_detector_it_is_the_derivative_of_the_loss(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    early, late, empty = original.sites[5], original.sites[-1], without_boxes(inputs)
    batch = labelled(empty, 4, seed=0, where=torch.device("cpu"))
    first, last = TaylorFirst(count=4).score(
        abd.net, [original.replace({site: "relu"}) for site in (early, late)], Inputs(split=empty)
    )
    assert last == pytest.approx(numeric(abd.net, [late], batch), rel=0.01)
    # 50 sites and BatchNorm of this very batch lie behind it; float32 shows
    assert first == pytest.approx(numeric(abd.net, [early], batch), rel=0.1)


def test_a_training_only_twin_is_swapped_with_its_site(
    family: Callable[[str], WithNet], inputs: Inputs
) -> None:
    empty = without_boxes(inputs)
    net = family("v10/yolov10n").net
    original = sites.original(net, 64)
    head = original.sites[-1]
    both = [head, str(sites.twin(head))]
    batch = labelled(empty, 4, seed=0, where=torch.device("cpu"))
    (score,) = TaylorFirst(count=4).score(
        net, [original.replace({head: "relu"})], Inputs(split=empty)
    )
    assert score == pytest.approx(numeric(net, both, batch), rel=0.05)
    assert score != pytest.approx(numeric(net, both[:1], batch), rel=0.1)


def test_a_mix_costs_the_sum_of_its_swaps(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    a, b = {original.sites[3]: "relu"}, {original.sites[9]: "elu"}
    for estimator in (TaylorFirst(count=4), TaylorSecond(count=4)):
        one, other, both, none = estimator.score(
            abd.net,
            [original.replace(a), original.replace(b), original.replace({**a, **b}), original],
            inputs,
        )
        assert none == 0.0
        assert both == pytest.approx(one + other)
    first = TaylorFirst(count=4).score(abd.net, [original.replace(a)], inputs)
    second = TaylorSecond(count=4).score(abd.net, [original.replace(a)], inputs)
    assert second[0] > first[0]  # Fisher curvature is never negative


def test_one_pass_serves_all_sites_and_candidates(
    abd: WithNet, original: Assignment, inputs: Inputs
) -> None:
    assert inputs.split is not None
    net = swap.swapped(abd.net, original)
    passes = {"forward": 0, "backward": 0}
    net.model[0].conv.register_forward_hook(lambda *_: passes.update(forward=passes["forward"] + 1))
    batch = labelled(inputs.split, 4, seed=0, where=torch.device("cpu"))

    def counted(n: nn.Module) -> torch.Tensor:
        value = loss(n, batch)
        value.register_hook(lambda _g: passes.update(backward=passes["backward"] + 1))
        return value

    names = ("relu", "hardswish", "mish")
    swaps = [(site, name) for site in original.sites for name in names]
    found = derivatives.along(net, swaps, loss=counted)
    assert len(found) == 57 * 3
    assert passes == {"forward": 1, "backward": 1}
    assert all(np.isfinite(d).all() for d in found.values())
