"""Who sees what: owner, stranger, anonymous."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from tests.browser import factories
from tests.webapp.pages.conftest import World
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard import services
from webapp.searches.models import SearchRequest

Browse = Callable[[User | None], Client]


def statuses(world: World, browse: Browse, path: str) -> tuple[int, int, int]:
    """As the owner, a stranger and nobody sees it."""
    people = (world.alice, world.hatter, None)
    return tuple(browse(user).get(path).status_code for user in people)  # type: ignore[return-value]


def test_what_is_private_is_not_there_for_others(world: World, browse: Browse) -> None:
    entry = world.entry(1, public=False)
    request = world.running()
    SearchRequest.objects.update(visibility="private")
    Detector.objects.update(visibility="private")
    picture = default_storage.save("data-sets/alice/thumbnails/0.webp", ContentFile(b"RIFF"))
    facts = {"file": picture, "split": "train", "width": 8, "height": 8, "boxes": []}
    DataSet.objects.update(visibility="private", thumbnails=[{**facts, "all_boxes": 0}])
    for path in (
        f"/entries/{entry.pk}/",
        f"/searches/{request.pk}/",
        f"/searches/{request.pk}/live/",
        f"/models/{world.model.pk}/",
        f"/models/{world.model.pk}/state/",
        f"/data-sets/{world.data.pk}/",
        f"/data-sets/{world.data.pk}/0.webp",
    ):
        assert statuses(world, browse, path) == (200, 404, 404), path
    download = f"/entries/{entry.pk}/files/assignment.json"
    assert statuses(world, browse, download) == (200, 404, 404)


def test_what_is_public_is_there_for_all(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    for path in (f"/entries/{entry.pk}/", f"/models/{world.model.pk}/", "/", "/devices/"):
        assert statuses(world, browse, path) == (200, 200, 200), path


def test_only_the_owner_cancels(world: World, browse: Browse) -> None:
    request = world.running()
    path = f"/searches/{request.pk}/cancel/"
    assert browse(None).post(path).status_code == 302  # to the login
    assert browse(world.hatter).post(path).status_code == 403
    search = request.searches.get()
    assert search.state == "running"
    assert browse(world.alice).post(path).status_code == 302
    search.refresh_from_db()
    assert search.state == "cancelled"


def test_a_get_cancels_nothing(world: World, browse: Browse) -> None:
    request = world.running()
    assert browse(world.alice).get(f"/searches/{request.pk}/cancel/").status_code == 405


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "nothing.onnx"])
def test_no_other_file_can_be_downloaded(world: World, browse: Browse, name: str) -> None:
    entry = world.entry(1)
    assert browse(world.alice).get(f"/entries/{entry.pk}/files/{name}").status_code == 404


def test_a_withdrawn_entry_leaves_a_tombstone(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    services.withdraw(entry, by=entry.owner, reason="the dormouse fell asleep")
    answer = browse(None).get(f"/entries/{entry.pk}/")
    assert answer.status_code == 410
    assert "the dormouse fell asleep" in answer.content.decode()
    assert browse(None).get(f"/entries/{entry.pk}/files/model.onnx").status_code == 404
    assert entry.name not in browse(None).get("/").content.decode()


def test_names_from_uploads_are_escaped(world: World, browse: Browse) -> None:
    bait = "<script>alert(1)</script>"
    Detector.objects.update(
        name=bait, sites=[{"path": bait, "activation": "silu", "shape": None}], names=[bait]
    )
    text = browse(None).get(f"/models/{world.model.pk}/").content.decode()
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") >= 3


def test_the_policy_forbids_inline_code_and_pages_have_none(world: World, browse: Browse) -> None:
    entry = world.entry(1)
    request = world.running()
    hook = factories.webhook(world.alice, request.searches.get())
    client = browse(world.alice)
    for path in (
        "/",
        f"/entries/{entry.pk}/",
        f"/searches/{request.pk}/",
        "/searches/new/",
        "/accounts/webhooks/",
        f"/accounts/webhooks/{hook.pk}/",
    ):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        text = answer.content.decode()
        assert " style=" not in text
        assert " onclick=" not in text
        assert "<style" not in text


def test_the_source_of_the_site_is_offered(browse: Browse, db: None) -> None:
    answer = browse(None).get("/source")
    assert answer.status_code == 200
    assert answer.content[:2] == b"\x1f\x8b"
