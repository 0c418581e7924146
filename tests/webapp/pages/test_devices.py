"""The page of one device: noise, queue, best entries."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from tests.webapp.pages.conftest import TARGET, World
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import HealthCheck, NoiseCheck

Browse = Callable[[User | None], Client]


def test_the_noise_of_searches_is_shown_by_target(world: World, browse: Browse) -> None:
    NoiseCheck.objects.all().delete()
    HealthCheck.objects.all().delete()
    for ratio in (1.5, *[1.001] * 47, 0.988, 1.012, 0.988):  # the first is the 51st from the end
        NoiseCheck.objects.create(
            device=world.device, target=TARGET, ratio=ratio, low=ratio - 0.001, high=ratio + 0.001
        )
    text = browse(None).get(f"/devices/{world.device.slug}/").content.decode()
    assert "Band 1.20\u00a0%, from the latest 50 comparisons" in text
    assert text.count('class="dot"') == 51
    assert "Not checked yet" in text  # the device itself
    assert "Nothing was measured on it yet" in text  # on its other targets


def test_health_is_told_with_its_checks_and_changes(world: World, browse: Browse) -> None:
    HealthCheck.objects.all().delete()
    for number in range(21):
        HealthCheck.objects.create(
            device=world.device,
            target=TARGET,
            cause="hours",
            ratio=1.004,
            low=1.003,
            high=1.005,
            latency_ms=2.0,
            drift=0.02 if number > 5 else None,
        )
    world.device.health_changes.create(was="good", now="maintenance", reason="new fan", author="rt")
    text = browse(None).get(f"/devices/{world.device.slug}/").content.decode()
    assert "Noise floor 0.40\u00a0%" in text
    assert "over the latest 21 checks" in text
    assert "No ratio closer to 1 is called faster" in text
    assert "15 latencies over their history" in text
    assert "good → in maintenance" in text
    assert "an administrator" in text
    assert ">rt<" not in text


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
