"""A site with Wonderland's rows, and people who look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browser import factories
from webapp.catalog.models import DataSet, Detector
from webapp.leaderboard.models import Entry
from webapp.pool.models import Device
from webapp.searches.models import SearchRequest

TARGET = "cpu-openvino-fp32"


@dataclass
class World:
    """``alice`` owns everything; ``hatter`` is a stranger."""

    alice: User
    hatter: User
    model: Detector
    data: DataSet
    device: Device

    def entry(self, seed: int, *, public: bool = True) -> Entry:
        """One more entry of alice's."""
        asked = factories.request(
            self.alice, self.model, self.data, name=f"Dormouse {seed}", target_ids=[TARGET]
        )
        if not public:
            SearchRequest.objects.filter(pk=asked.pk).update(visibility="private")
            asked.refresh_from_db()
        _, entries = factories.finished_search(asked, TARGET, self.device, seed=seed)
        return entries[0]

    def running(self) -> SearchRequest:
        """One more request of alice's, with a running search."""
        asked = factories.request(
            self.alice, self.model, self.data, name="Queen of Hearts", target_ids=[TARGET]
        )
        factories.running_search(asked, TARGET, self.device)
        return asked


@pytest.fixture
def world(db: None) -> World:
    alice, hatter = factories.user("alice"), factories.user("hatter")
    return World(
        alice=alice,
        hatter=hatter,
        model=factories.detector(alice),
        data=factories.data_set(alice),
        device=factories.pool()[0],
    )


@pytest.fixture
def browse() -> Callable[[User | None], Client]:
    """A client that is signed in as somebody, or as nobody."""

    def make(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return make
