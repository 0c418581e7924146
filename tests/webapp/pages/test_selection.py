"""Filters of the leaderboard, and that its address holds them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from tests.browser import factories
from tests.webapp.pages.conftest import TARGET, World
from webapp.catalog.models import Detector
from webapp.leaderboard import services
from webapp.leaderboard.models import Entry
from webapp.searches.models import Search, SearchRequest

Browse = Callable[[User | None], Client]


def shown(client: Client, query: str) -> set[str]:
    """The ids of the entries in the list."""
    text = client.get(f"/?{query}").content.decode()
    return {key for key in Entry.objects.values_list("pk", flat=True) if f"/entries/{key}/" in text}


def test_only_entries_within_their_searchs_limits(world: World, browse: Browse) -> None:
    def published(seed: int, **limits: float) -> str:
        """The entry of a search that had asked for ``limits`` on top of what it has."""
        entry = world.entry(seed)
        assert entry.loss is not None
        wanted = {name: value + getattr(entry, _OF[name]) for name, value in limits.items()}
        SearchRequest.objects.filter(pk=entry.search.request_id).update(**wanted)
        services.delete(Entry.objects.filter(pk=entry.pk))
        (again,) = services.publish(Search.objects.get(pk=entry.search_id))
        return again.pk

    kept = published(1, max_map_loss=0.0, max_latency_ratio=0.0)  # just
    published(2, max_map_loss=-0.001)
    published(3, max_latency_ratio=-0.001)
    assert shown(browse(None), f"target={TARGET}&met=1") == {kept}
    assert len(shown(browse(None), f"target={TARGET}")) == 3


_OF = {"max_map_loss": "loss", "max_latency_ratio": "ratio"}


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
