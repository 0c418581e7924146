"""Searching by words: each is looked for in all that a row says, and rows must have them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.webapp.leaderboard.conftest import Crowd
from tests.webapp.pages.conftest import TARGET, World
from webapp.leaderboard import words
from webapp.leaderboard.models import Entry

Browse = Callable[[User | None], Client]


def found(client: Client, query: str, *, target: str = TARGET) -> set[str]:
    """Names of the entries on the page."""
    text = client.get("/", {"target": target, "q": query}).content.decode()
    return {entry.name for entry in Entry.objects.all() if entry.pk in text}


@pytest.fixture
def tea(world: World, browse: Browse, crowd: Callable[[Entry], Crowd]) -> Client:
    first = world.entry(1)
    maker = crowd(first)
    maker.more(1, name="Gryphon 100%", family="YOLO11n")
    maker.more(1, name="Mock Turtle", arm="uniform:hardswish", owner=world.hatter)
    return browse(None)


@pytest.mark.parametrize("target", [TARGET, "all"])
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("gRYPH", {"Gryphon 100%"}),
        ("hardsw", {"Mock Turtle"}),
        ("yolo11", {"Gryphon 100%"}),
        ("hatter", {"Mock Turtle"}),
        ("openvino", {"Gryphon 100%", "Mock Turtle", "Dormouse 1"}),
        ("alice dormouse", {"Dormouse 1"}),
        ("hatter gryphon", set()),
        ("0%", {"Gryphon 100%"}),
        ("jabberwock", set()),
    ],
)
def test_a_word_is_found_in_whatever_a_row_says(
    tea: Client, query: str, names: set[str], target: str
) -> None:
    assert found(tea, query, target=target) == names


def test_a_word_of_very_many_names_of_people(tea: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_MOST_OWNERS", 0)
    assert found(tea, "hatter") == {"Mock Turtle"}
