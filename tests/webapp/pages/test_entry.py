"""An entry's page: the map of its sites, its samples, the command, withdrawing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from engine import cli
from tests.browser import factories
from tests.webapp.pages.conftest import TARGET, World
from webapp.leaderboard.models import Entry

Browse = Callable[[User | None], Client]


def commands(text: str) -> dict[str, list[str]]:
    """The command lines that an entry's page shows, by id."""
    shown = re.findall(r'<pre id="(command|measure)"[^>]*><code>(.*?)</code>', text, re.DOTALL)
    return {name: shlex.split(unescape(line)) for name, line in shown}


def test_the_commands_are_ones_that_the_cli_takes(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    shown = commands(browse(None).get(f"/entries/{entry.pk}/").content.decode())
    assert [words[0] for words in shown.values()] == ["actnas", "actnas"]
    again = cli.parser().parse_args(shown["command"][1:])
    assert (again.action, again.entry, again.site) == ("repeat", entry.pk, "http://testserver/")
    options = cli.parser().parse_args(shown["measure"][1:])
    assert (options.command, options.target, options.imgsz) == ("measure", TARGET, entry.imgsz)
    assert str(options.assignment) in entry.files
    assert str(options.model) == world.model.file_name


def test_the_maps_tell_cost_and_loss_of_every_choice(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    text = browse(None).get(f"/entries/{entry.pk}/").content.decode()
    maps = re.findall(r'<svg class="site-map".*?</svg>', text, re.DOTALL)
    assert len(maps) == 3
    sites, candidates = len(factories.PATHS), len(factories.ACTIVATIONS)
    for drawn in maps[1:]:
        assert drawn.count('class="heat"') == sites * candidates + 7  # and the legend
        assert drawn.count(", chosen") == drawn.count("stroke=") == sites
    result = entry.search.result
    assert result is not None
    table, penalty = result["cost_table"]["ms"][0], result["estimates"][0]["penalty"][0]
    silu = factories.ACTIVATIONS.index("silu")
    assert f"{factories.PATHS[0]} ReLU" in maps[1]
    assert f"{abs(table[0] - table[silu]):.4f} ms" in maps[1]
    assert f"{penalty[0]:.4f}" in maps[2]


@pytest.mark.parametrize(
    ("floor", "claim", "noisy"), [(0.004, "faster", False), (0.02, "same", True)]
)
def test_what_may_be_said_of_a_ratio_stands_beside_it(
    world: World, browse: Browse, floor: float, claim: str, noisy: bool
) -> None:
    entry = world.entry(1)
    ends = {"ratio": 0.99, "ratio_low": 0.985, "ratio_high": 0.995}
    Entry.objects.filter(pk=entry.pk).update(noise_floor=floor, noisy=noisy, **ends)
    page = browse(None).get(f"/entries/{entry.pk}/").content.decode()
    assert f"noise floor {100 * floor:.2f}\u00a0%" in page
    assert (": not called faster" in page) == (claim == "same")
    assert ("Noisy lease" in page) == noisy
    row = browse(None).get(f"/?target={TARGET}").content.decode()
    row = row[row.index(f'value="{entry.pk}"') :].partition("</tr>")[0]
    assert ("not told from 1" in row) == (claim == "same")
    assert ("noisy lease" in row) == noisy
    told = browse(None).get(f"/api/v1/entries/{entry.pk}").json()
    assert (told["claim"], told["noise_floor"], told["noisy"]) == (claim, floor, noisy)


def test_the_raw_samples_are_all_there(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    answer = browse(None).get(f"/entries/{entry.pk}/samples.json")
    result = entry.search.result
    assert result is not None
    assert answer.json()["unit"] == "ms"
    assert answer.json()["arms"] == {
        arm["name"]: arm["details"]["samples_ms"] for arm in result["arms"]
    }


def test_an_owner_withdraws_with_a_reason_and_a_stranger_does_not(
    world: World, browse: Browse
) -> None:
    entry = world.entry(1)
    page, path = f"/entries/{entry.pk}/", f"/entries/{entry.pk}/withdraw/"
    assert "Withdraw this entry" not in browse(world.hatter).get(page).content.decode()
    assert browse(None).post(path, {"reason": "x"}).status_code == 302  # to the login
    assert browse(world.hatter).post(path, {"reason": "x"}).status_code == 403
    owner = browse(world.alice)
    owner.post(path, {"reason": "  "})
    assert "Say why" in owner.get(page).content.decode()
    owner.post(path, {"reason": "the tea was cold"})
    assert Entry.objects.get(pk=entry.pk).withdrawn_reason == "the tea was cold"
    assert owner.get(page).status_code == 410
    assert browse(None).get(f"/entries/{entry.pk}/samples.json").status_code == 404
