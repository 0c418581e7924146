"""The mixes that a search tried, on its page: charts that say what the table says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from engine.arms import Limits
from engine.services import Event
from tests.browser import factories
from tests.webapp.conftest import API
from tests.webapp.pages.conftest import TARGET, World
from webapp.jobs.context import JobContext
from webapp.searches.surroundings import SearchSurroundings

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
    (pareto,) = re.findall(r'<svg class="points".*?</svg>', text, re.DOTALL)
    strong = sum(one["pareto"] for one in candidates)
    assert (pareto.count('class="dot"'), pareto.count('class="faint"')) == (
        strong,
        len(candidates) - strong,
    )
    assert pareto.count('class="ring"') == 1
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


def test_mixes_appear_while_the_search_runs(world: World, browse: Browse) -> None:
    """First with what is predicted, dashed; then measured ones join, and the front is drawn."""
    request = world.running()
    search = request.searches.get()
    path = f"/searches/{request.pk}/live/"
    assert "Mixes that were tried" not in browse(None).get(path).content.decode()
    assert search.job is not None
    surroundings = SearchSurroundings(JobContext(search.job), search)
    candidates = factories.documents(TARGET, seed=1, limits=Limits())[0]["candidates"][:4]
    unknown = {"measured_ratio": None, "interval": None, "pareto": False, "chosen": False}
    told = [one | unknown for one in candidates]
    surroundings.emit(Event("candidates", "tried", tried=told))
    text = browse(None).get(path).content.decode()
    assert text.count('class="rough"') == 4
    assert "4, 0 measured" in text
    measured = [*(one | {"pareto": False} for one in candidates[:2]), *told[2:]]
    surroundings.emit(Event("candidates", "tried", tried=measured))
    text = browse(None).get(path).content.decode()
    assert text.count('class="rough"') == 2
    assert text.count('class="dot"') + text.count('class="faint"') == 2
    assert "4, 2 measured" in text
    found = browse(None).get(f"{API}/searches/{search.pk}/tried").json()
    assert [one["measured_ratio"] is not None for one in found] == [True, True, False, False]
    assert found[0]["assignment"] == dict(candidates[0]["assignment"]["choices"])
