"""What pages say of a target: not yet verified on hardware, and what an NPU's ratio stands on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from devices.targets import TARGETS
from tests.browser import factories
from tests.webapp.conftest import API
from tests.webapp.pages.conftest import World
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device

Browse = Callable[[User | None], Client]
GPU = "gpu-tensorrt-fp16"
NPU = "npu-ethos-u55-128-int8"
MARK = "not yet verified on hardware"


def _entry(world: World, target: str) -> Entry:
    Device.objects.filter(pk=world.device.pk).update(targets=[*world.device.targets, target])
    world.device.refresh_from_db()
    asked = factories.request(
        world.alice, world.model, world.data, name="Cheshire", target_ids=[target]
    )
    _, entries = factories.finished_search(asked, target, world.device, seed=3)
    return entries[0]


@pytest.mark.parametrize(("target", "marked"), [(GPU, True), (NPU, False)])
def test_a_target_that_no_hardware_has_run_says_so_wherever_it_stands(
    world: World, browse: Browse, target: str, marked: bool
) -> None:
    entry = _entry(world, target)
    client = browse(world.alice)
    title = entry.search.target
    for path in (
        f"/entries/{entry.pk}/",
        f"/?target={target}",
        "/?target=all",
        f"/devices/{world.device.slug}/",
        "/devices/",
        f"/searches/{entry.search.request.pk}/",
    ):
        text = client.get(path).content.decode()
        assert (MARK in text) == marked, (path, title)


def test_the_search_form_marks_those_targets_and_no_other(world: World, browse: Browse) -> None:
    text = browse(world.alice).get("/searches/new/").content.decode()
    labels = re.findall(r'<label class="choice" for="target-([^"]+)">(.*?)</label>', text, re.S)
    assert {name for name, label in labels if MARK in label} == {
        target.id for target in TARGETS if target.hardware == "gpu"
    }
    rows = Client().get(f"{API}/targets").json()
    assert {row["id"] for row in rows if not row["verified"]} == {
        target.id for target in TARGETS if not target.verified
    }


def test_beside_every_ratio_of_an_npu_stands_the_one_with_silu_as_one_table(
    world: World, browse: Browse
) -> None:
    entry = _entry(world, NPU)
    client = browse(world.alice)
    text = client.get(f"/entries/{entry.pk}/").content.decode()
    assert "; SiLU lowered as LOGISTIC + MUL" in text
    said = re.findall(r"([0-9.]+)\u00d7 with SiLU as one table", text)
    assert said == [f"{arm['ratio_one_table']:.3f}" for arm in entry.arms]
    for path in (
        f"/?target={NPU}",
        f"/searches/{entry.search.request.pk}/",
        f"/searches/{entry.search.request.pk}/{entry.search.pk}/figures/",
        f"/devices/{world.device.slug}/",
        f"/models/{world.model.pk}/",
        "/accounts/",
    ):
        assert "with SiLU as one table" in client.get(path).content.decode()
