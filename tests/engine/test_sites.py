from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from devices.assignment import Assignment
from engine import sites, swap
from engine.errors import BadModel, BadSearch
from engine.training.choice import open_sites, set_mix
from tests.engine.models import WithNet

Family = Callable[[str], WithNet]


def test_real_checkpoint_has_57_sites_in_execution_order(abd: WithNet) -> None:
    found = sites.find(abd.net, imgsz=320)
    assert len(found) == 57
    first, last = found[0], found[-1]
    assert (first.path, first.shape, first.conv) == ("model.0.act", (16, 160, 160), "model.0.conv")
    assert (last.path, last.shape) == ("model.22.cv3.2.1.act", (100, 10, 10))
    assert [site.path for site in found[:4]] == [
        "model.0.act",
        "model.1.act",
        "model.2.cv1.act",
        "model.2.m.0.cv1.act",
    ]


def test_shared_activation_objects_are_told_apart_without_touching_the_model(abd: WithNet) -> None:
    net = abd.net
    shared = {id(m) for m in net.modules() if isinstance(m, nn.SiLU)}
    before = dict(net.state_dict())
    assert len(shared) == 1  # as ultralytics writes checkpoints
    sites.find(net, imgsz=64)
    assert {id(m) for m in net.modules() if isinstance(m, nn.SiLU)} == shared
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_original_is_what_the_file_holds(abd: WithNet) -> None:
    assert sites.original(abd.net, 64).counts() == {"silu": 57}


def test_identity_in_place_of_an_activation_is_no_site_but_the_catalogs_identity_is(
    abd: WithNet,
) -> None:
    net = copy.deepcopy(abd.net)
    net.model[0].act = nn.Identity()
    assert len(sites.find(net, imgsz=64)) == 56
    whole = sites.original(abd.net, 64)
    kept = swap.swapped(abd.net, whole.replace({"model.0.act": "identity"}))
    assert sites.original(kept, 64)["model.0.act"] == "identity"


@pytest.mark.parametrize("other", [nn.LeakyReLU(0.01), nn.PReLU()], ids=str)
def test_an_activation_outside_the_catalog_is_named(abd: WithNet, other: nn.Module) -> None:
    net = copy.deepcopy(abd.net)
    net.model[3].act = other
    with pytest.raises(BadModel, match=r"site model\.3\.act runs \w+ReLU\(.*known: relu, relu6"):
        sites.find(net, imgsz=64)


def test_an_image_size_that_does_not_fit_is_said(family: Family) -> None:
    with pytest.raises(BadModel, match="does not run on a 72 x 72 image"):
        sites.find(family("v8/yolov8n").net, imgsz=72)


@pytest.mark.parametrize("name", ["v10/yolov10n", "26/yolo26n"])
def test_training_only_twins_copy_their_sites_choice(family: Family, name: str) -> None:
    net = family(name).net
    original = sites.original(net, 64)
    head = [path for path in original.sites if sites.twin(path)]
    assert len(head) == 18
    swapped = swap.swapped(net, Assignment.uniform(original.sites, "relu"))
    for path in head:
        assert isinstance(swapped.get_submodule(str(sites.twin(path))), nn.ReLU)
    assert not any(isinstance(m, nn.SiLU) for m in swapped.modules())


def test_swap_gives_every_site_its_own_module(abd: WithNet) -> None:
    original = sites.original(abd.net, 64)
    mix = original.replace(dict.fromkeys(original.sites[::2], "relu"))
    net = swap.swapped(abd.net, mix)
    modules = [net.get_submodule(path) for path in mix.sites]
    assert len({id(module) for module in modules}) == 57
    assert sites.original(net, 64) == mix
    assert sites.original(abd.net, 64) == original


def test_swap_of_the_original_changes_no_output(abd: WithNet) -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same = swap.swapped(abd.net, sites.original(abd.net, 64))
    with torch.no_grad():
        assert torch.equal(abd.net(image)[0], same(image)[0])


@pytest.mark.parametrize("path", ["model.99.act", "model.0.conv", "model.0.bn", "nowhere"])
def test_swap_refuses_what_is_no_site_and_changes_nothing(abd: WithNet, path: str) -> None:
    net = copy.deepcopy(abd.net)
    with pytest.raises(BadSearch, match="no site"):
        swap.apply(net, Assignment((("model.0.act", "relu"), (path, "relu"))))
    assert sites.original(net, 64).counts() == {"silu": 57}


def test_sites_of_a_supernet_are_its_choices(abd: WithNet) -> None:
    net = copy.deepcopy(abd.net)
    original = sites.original(net, 64)
    choices = open_sites(net, original, ["relu", "hardswish"])
    assert sites.original(net, 64) == original
    mix = original.replace({original.sites[5]: "hardswish"})
    set_mix(choices, mix)
    assert sites.original(net, 64) == mix
    plain = swap.swapped(net, mix)  # choices make room for plain activations
    assert sites.original(plain, 64) == mix
