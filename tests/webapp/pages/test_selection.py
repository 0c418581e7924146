"""Filters of the leaderboard, and that its address holds them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from tests.browser import factories
from tests.webapp.pages.conftest import TARGET, World
from webapp.catalog.models import Detector
from webapp.leaderboard.models import Entry
from webapp.searches.models import SearchRequest

Browse = Callable[[User | None], Client]


def shown(client: Client, query: str) -> set[str]:
    """The ids of the entries in the list."""
    text = client.get(f"/?{query}").content.decode()
    return {key for key in Entry.objects.values_list("pk", flat=True) if f"/entries/{key}/" in text}


def test_only_entries_within_their_searchs_limits(world: World, browse: Browse) -> None:
    kept, lossy, slow, free = (world.entry(seed) for seed in range(1, 5))
    Entry.objects.filter(pk=kept.pk).update(loss=0.01, ratio=0.8)
    Entry.objects.filter(pk=lossy.pk).update(loss=0.02, ratio=0.8)
    Entry.objects.filter(pk=slow.pk).update(loss=0.01, ratio=0.95)
    Entry.objects.filter(pk=free.pk).update(loss=0.5, ratio=0.99)
    SearchRequest.objects.filter(pk=free.search.request_id).update(
        max_map_loss=None, max_latency_ratio=None
    )
    SearchRequest.objects.exclude(pk=free.search.request_id).update(
        max_map_loss=0.015, max_latency_ratio=0.9
    )
    assert shown(browse(None), f"target={TARGET}&met=1") == {kept.pk, free.pk}
    assert len(shown(browse(None), f"target={TARGET}")) == 4


def test_base_models_are_told_apart_and_private_ones_not_named(
    world: World, browse: Browse
) -> None:
    first = world.entry(1)
    world.model = factories.detector(world.alice, name="Mock turtle", public=False)
    hidden = world.entry(2)
    world.model = factories.detector(world.alice, name="Gryphon")
    second = world.entry(3)
    client = browse(None)
    assert shown(client, f"target={TARGET}&model={second.detector_id}") == {second.pk}
    text = client.get(f"/?target={TARGET}").content.decode()
    assert Detector.objects.get(pk=first.detector_id).name in text
    assert "Gryphon" in text
    assert "Mock turtle" not in text
    assert hidden.pk in shown(client, f"target={TARGET}")


def test_precision_narrows_the_wide_list_only(world: World, browse: Browse) -> None:
    fp32 = world.entry(1)
    asked = factories.request(
        world.alice, world.model, world.data, name="Tea", target_ids=["cpu-onnxruntime-int8"]
    )
    _, (int8, *_) = factories.finished_search(asked, "cpu-onnxruntime-int8", world.device, seed=2)
    client = browse(None)
    assert shown(client, "target=all&precision=int8") == {int8.pk}
    assert shown(client, f"target={TARGET}&precision=int8") == {fp32.pk}
    assert len(shown(client, "target=all&precision=fp1")) == 2
