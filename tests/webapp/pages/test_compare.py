"""Entries side by side, and one target's mix as another target saw it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from tests.browser import factories
from tests.webapp.pages.conftest import TARGET, World
from webapp.leaderboard.models import Entry
from webapp.searches.models import Search, SearchRequest

Browse = Callable[[User | None], Client]
OTHER = "cpu-onnxruntime-int8"


def both(world: World) -> tuple[SearchRequest, Search, Search]:
    """A request with finished searches on two targets."""
    asked = factories.request(
        world.alice, world.model, world.data, name="Tea", target_ids=[TARGET, OTHER]
    )
    first, _ = factories.finished_search(asked, TARGET, world.device, seed=1)
    second, _ = factories.finished_search(asked, OTHER, world.device, seed=2)
    return asked, first, second


def test_ticked_boxes_become_an_address_to_share(world: World, browse: Browse) -> None:
    ids = [world.entry(seed).pk for seed in (1, 2)]
    client = browse(None)
    answer = client.get("/compare/", {"entries": ids})
    assert (answer.status_code, answer["Location"]) == (302, f"/compare/?entries={','.join(ids)}")
    text = client.get(answer["Location"]).content.decode()
    for key in ids:
        assert f"/entries/{key}/" in text
    assert "differ in their" not in text


def test_what_is_not_alike_is_said(world: World, browse: Browse) -> None:
    _, first, second = both(world)
    ids = [search.entries.values_list("pk", flat=True)[0] for search in (first, second)]
    text = browse(None).get(f"/compare/?entries={','.join(ids)}").content.decode()
    assert "differ in their target" in text


def test_too_many_too_few_and_unknown_entries_are_told(world: World, browse: Browse) -> None:
    ids = [world.entry(seed).pk for seed in range(1, 6)]
    client = browse(None)
    five = client.get(f"/compare/?entries={','.join(ids)}").content.decode()
    assert "the first 4 are shown" in five
    assert f"/entries/{ids[4]}/" not in five
    assert "Choose two to four" in client.get("/compare/").content.decode()
    gone = client.get(f"/compare/?entries={ids[0]},nobody").content.decode()
    assert "not yours to see: nobody" in gone


def test_a_private_entry_is_compared_by_its_owner_only(world: World, browse: Browse) -> None:
    mine, public = world.entry(1, public=False), world.entry(2)
    path = f"/compare/?entries={mine.pk},{public.pk}"
    assert f"/entries/{mine.pk}/" in browse(world.alice).get(path).content.decode()
    text = browse(world.hatter).get(path).content.decode()
    assert f"/entries/{mine.pk}/" not in text
    assert mine.name not in text


def test_a_mix_that_was_never_measured_elsewhere_is_named_as_missing(
    world: World, browse: Browse
) -> None:
    _, first, second = both(world)
    ids = [search.entries.values_list("pk", flat=True)[0] for search in (first, second)]
    text = browse(None).get(f"/compare/?entries={','.join(ids)}").content.decode()
    assert "the mix of CPU, OpenVINO, fp32 on CPU, ONNX Runtime, int8" in text
    assert "Best mix of" not in text


def test_a_mix_that_was_measured_elsewhere_stands_in_the_matrix(
    world: World, browse: Browse
) -> None:
    _, first, second = both(world)
    assert first.result is not None
    assert second.result is not None
    mix = next(arm for arm in first.result["arms"] if arm["name"] == "mix")
    second.result["candidates"] = [
        {
            "assignment": mix["assignment"],
            "round": 0,
            "solver": "milp",
            "penalty": 0.0,
            "predicted_ratio": 0.9,
            "measured_ratio": 0.9371,
            "interval": [0.931, 0.944],
        }
    ]
    second.save()
    ids = list(Entry.objects.values_list("pk", flat=True))[:2]
    text = browse(None).get(f"/compare/?entries={','.join(ids)}").content.decode()
    assert "Best mix of" in text
    assert "0.937\u00d7" in text
    assert "0.931\u20130.944" in text
    assert "the mix of CPU, ONNX Runtime, int8 on CPU, OpenVINO, fp32" in text  # still missing
