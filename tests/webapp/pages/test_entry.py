"""An entry's page: the map of its sites, its samples, the command, withdrawing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from html import unescape

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
