"""The page of one device: noise, queue, best entries."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from tests.webapp.pages.conftest import TARGET, World
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import NoiseCheck

Browse = Callable[[User | None], Client]


def test_the_noise_floor_is_the_largest_deviation_of_the_latest_checks(
    world: World, browse: Browse
) -> None:
    NoiseCheck.objects.all().delete()
    for ratio in (1.5, *[1.001] * 19, 0.988):  # the first is the 21st from the end
        NoiseCheck.objects.create(
            device=world.device, target=TARGET, ratio=ratio, low=ratio - 0.001, high=ratio + 0.001
        )
    text = browse(None).get(f"/devices/{world.device.slug}/").content.decode()
    assert "Noise floor 1.20\u00a0%, from the latest 20 comparisons" in text
    assert text.count('class="dot"') == 21
    assert "Nothing was measured on it yet" in text  # on its other targets


def test_the_queue_says_what_is_done_but_not_for_whom(world: World, browse: Browse) -> None:
    for state in (State.RUNNING, State.QUEUED, State.FINISHED):
        Job.objects.create(
            kind=Kind.MEASURE, queue=world.device.queue, owner=world.alice, state=state
        )
    text = browse(None).get(f"/devices/{world.device.slug}/").content.decode()
    assert text.count(">Measure ") == 2
    assert "alice" not in text


def test_the_best_public_entries_are_listed(world: World, browse: Browse) -> None:
    public, private = world.entry(1), world.entry(2, public=False)
    text = browse(world.alice).get(f"/devices/{world.device.slug}/").content.decode()
    assert f"/entries/{public.pk}/" in text
    assert f"/entries/{private.pk}/" not in text


def test_an_unknown_device_is_not_there(world: World, browse: Browse) -> None:
    assert browse(None).get("/devices/tweedledum/").status_code == 404
