"""The figures of a finished search, and two searches side by side."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from engine.hypervolume import area
from tests.browser import factories
from tests.webapp.pages.conftest import TARGET, World
from webapp.searches.choices import Recipe
from webapp.searches.models import Search, SearchRequest

Browse = Callable[[User | None], Client]


def search_of(world: World, seed: int, recipe: Recipe, *, owner: User | None = None) -> Search:
    asked = factories.request(
        owner or world.alice, world.model, world.data, name=f"Tea {seed}", target_ids=[TARGET]
    )
    asked.recipe = recipe
    asked.save()
    search, _ = factories.finished_search(asked, TARGET, world.device, seed=seed)
    return search


def figures(search: Search) -> str:
    return f"/searches/{search.request_id}/{search.pk}/figures/"


def test_the_uniform_study_shows_every_uniform_model_and_the_mix(
    world: World, browse: Browse
) -> None:
    search = search_of(world, 1, Recipe.SUPERNET)
    text = browse(None).get(figures(search)).content.decode()
    study, trust, pareto = re.findall(r'<svg class="points".*?</svg>', text, re.DOTALL)
    assert search.result is not None
    shown = [
        arm
        for arm in search.result["arms"]
        if arm["name"].split(":")[0] in {"reference", "uniform", "mix"}
    ]
    assert study.count("<circle") == len(shown)
    for name in ("Original", "ReLU", "Hardswish", "Mix"):
        assert f">{name}</text>" in study
    for arm in shown:
        assert f"{arm['map50_95']:.3f}" in study
    assert trust.count("<circle") == len(search.result["candidates"])
    assert "mAP50-95 on val" in pareto
    maps = re.findall(r'<svg class="site-map".*?</svg>', text, re.DOTALL)
    assert len(maps) == 2  # what each swap costs, and what it loses
    assert all(drawn.count('class="heat"') >= len(factories.PATHS) for drawn in maps)


def test_a_search_without_a_result_has_no_figures(world: World, browse: Browse) -> None:
    search = world.running().searches.get()
    assert browse(world.alice).get(figures(search)).status_code == 404


def test_recipes_are_compared_side_by_side(world: World, browse: Browse) -> None:
    ours, paper = search_of(world, 1, Recipe.SUPERNET), search_of(world, 2, Recipe.PAPER)
    link = f"/searches/{ours.request_id}/{ours.pk}/against/{paper.pk}/"
    client = browse(None)
    assert link in client.get(figures(ours)).content.decode()
    text = client.get(link).content.decode()
    assert "Supernet (ours)" in text
    assert "ActNAS as published" in text
    for search in (ours, paper):
        assert search.result is not None
        mix = next(arm for arm in search.result["arms"] if arm["name"] == "mix")
        assert f"{mix['latency_ratio']:.3f}\u00d7" in text
        won = area([(mix["latency_ratio"], mix["loss"])])
        assert f"<td>{won:.5f}</td>" in text
    assert "they differ in" not in text


def test_what_is_not_alike_is_not_compared(world: World, browse: Browse) -> None:
    search = search_of(world, 1, Recipe.SUPERNET)
    other = world.entry(2).search
    SearchRequest.objects.filter(pk=other.request_id).update(
        detector=factories.detector(world.alice, name="Another")
    )
    path = f"/searches/{search.request_id}/{search.pk}/against/{other.pk}/"
    assert browse(None).get(path).status_code == 404
    assert path not in browse(None).get(figures(search)).content.decode()


@pytest.mark.parametrize("page", ["figures", "against"])
def test_a_private_search_is_shown_to_its_owner_only(
    world: World, browse: Browse, page: str
) -> None:
    public = search_of(world, 1, Recipe.SUPERNET)
    private = search_of(world, 2, Recipe.PAPER)
    SearchRequest.objects.filter(pk=private.request_id).update(visibility="private")
    path = figures(private)
    if page == "against":
        path = f"/searches/{public.request_id}/{public.pk}/against/{private.pk}/"
    seen = [browse(user).get(path).status_code for user in (world.alice, world.hatter, None)]
    assert seen == [200, 404, 404]
    assert str(private.pk) not in browse(None).get(figures(public)).content.decode()


def test_the_form_begins_as_an_earlier_search_asked(world: World, browse: Browse) -> None:
    before = search_of(world, 1, Recipe.SUPERNET).request
    client = browse(world.hatter)
    text = client.get(f"/searches/new/?like={before.pk}&recipe=paper").content.decode()
    assert f'<option value="{world.model.pk}" selected>' in text
    assert f'<option value="{world.data.pk}" selected>' in text
    assert '<option value="paper" selected>' in text
    assert 'name="max_map_loss" value="0.015"' in text
