"""The mixes that a search tried, on its page: charts that say what the table says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from tests.webapp.pages.conftest import World

Browse = Callable[[User | None], Client]


def page(world: World, client: Client, keep: int | None = None) -> tuple[str, list[dict[str, Any]]]:
    search = world.entry(1).search
    assert search.result is not None
    if keep is not None:
        search.result["candidates"] = search.result["candidates"][:keep]
        search.save()
    text = client.get(f"/searches/{search.request_id}/").content.decode()
    return text, search.result["candidates"]


def test_every_mix_is_a_point_and_a_row(world: World, browse: Browse) -> None:
    text, candidates = page(world, browse(None))
    pareto, trust = re.findall(r'<svg class="points".*?</svg>', text, re.DOTALL)
    strong = sum(one["pareto"] for one in candidates)
    assert (pareto.count('class="dot"'), pareto.count('class="faint"')) == (
        strong,
        len(candidates) - strong,
    )
    assert pareto.count('class="ring"') == 1
    assert trust.count('class="dot"') == len(candidates)
    for one in candidates:
        assert f"{one['measured_ratio']:.3f}\u00d7" in text
        assert f"ratio {one['measured_ratio']:.3f}" in pareto


def test_two_mixes_make_no_chart_and_none_no_table(world: World, browse: Browse) -> None:
    text, _ = page(world, browse(None), keep=2)
    assert "Mixes that were tried, 2" in text
    assert 'class="points"' not in text


def test_a_search_without_mixes_says_nothing_of_them(world: World, browse: Browse) -> None:
    text, _ = page(world, browse(None), keep=0)
    assert "Mixes that were tried" not in text


def test_what_was_not_measured_is_a_dash(world: World, browse: Browse) -> None:
    search = world.entry(1).search
    assert search.result is not None
    for one in search.result["candidates"]:
        one |= {"measured_ratio": None, "interval": None, "map50_95": None, "expected_loss": None}
    search.save()
    text = browse(None).get(f"/searches/{search.request_id}/").content.decode()
    assert 'class="points"' not in text
    assert "\u2013</td>" in text
