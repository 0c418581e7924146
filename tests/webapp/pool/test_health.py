"""Health: what persons and checks say, when a check is due, and what it changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.webapp.conftest import People, Worker
from webapp.errors import Refused
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.jobs.standstill import why
from webapp.pool import health
from webapp.pool.choices import Cause, DeviceState, Health
from webapp.pool.models import Device, HealthCheck, Host
from webapp.pool.services import choose_device, ensure_local, sweep

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-onnxruntime-fp32"


@pytest.fixture
def device() -> Device:
    ensure_local(host_name="here", cpu_model="Test CPU")
    return Device.objects.select_related("host").get(slug="here-cpu")


def checked(device: Device, *, ago: timedelta = timedelta(), ratio: float = 1.001) -> HealthCheck:
    """A check that ended a while ago."""
    ended = timezone.now() - ago
    check = HealthCheck.objects.create(
        device=device, target=TARGET, cause=Cause.HOURS, ratio=ratio, latency_ms=2.0, ended=ended
    )
    HealthCheck.objects.filter(pk=check.pk).update(created=ended)
    return check


@pytest.mark.parametrize(
    ("floor", "drift", "checks", "found", "said"),
    [
        (0.004, None, 1, "good", "noise floor 0.40 % over 1 check"),
        (0.004, 0.05, 30, "good", "noise floor 0.40 % over 30 checks"),
        (0.03, None, 1, "noisy", "noise floor 3.00 % over 1 check, above 2 %"),
        (0.2, None, 4, "noisy", "noise floor 20.00 % over 4 checks, above 2 %"),
        (0.2, None, 5, "bad", "noise floor 20.00 % over 5 checks, above 10 %"),
        (0.004, 0.2, 9, "noisy", "takes 20 % more than it used to"),
        (0.004, -0.2, 9, "noisy", "takes 20 % less than it used to"),
        (0.03, 0.6, 9, "bad", "takes 60 % more than it used to; noise floor 3.00 % over 9 checks"),
    ],
)
def test_floor_and_drift_decide(
    floor: float, drift: float | None, checks: int, found: str, said: str
) -> None:
    judgement = health.verdict(floor=floor, drift=drift, checks=checks)
    assert judgement.health == found
    assert judgement.reason.startswith(said)


def test_drift_counts_from_the_median_of_a_history() -> None:
    assert health.drift(3.0, [2.0] * 4) is None
    assert health.drift(3.0, [2.0, 2.0, 2.0, 2.0, 9.0]) == pytest.approx(0.5)


def test_a_check_is_a_job_of_the_device(device: Device, work: Worker) -> None:
    assert health.start_due_checks(device.host) == 2  # new devices, the CPU and the cost model
    assert health.start_due_checks(device.host) == 0  # under way
    with pytest.raises(Refused, match="a check of This machine on here is under way"):
        health.start_check(device, cause=Cause.ASKED)
    work("check-here-cpu", "device-here-cpu")
    check = device.health_checks.get()
    assert (check.cause, check.target, check.failure) == ("registration", TARGET, "")
    assert check.ratio is not None
    assert check.latency_ms is not None
    assert check.low is not None
    assert check.low <= check.ratio
    assert check.drift is None  # nothing to compare with yet
    assert check.provenance is not None
    assert check.provenance["versions"]["onnxruntime"]
    assert check.ended is not None
    device.refresh_from_db()
    assert device.health in (Health.GOOD, Health.NOISY)
    change = device.health_changes.get()
    assert (change.was, change.now, change.author) == ("unknown", device.health, "")
    assert change.reason == device.health_reason
    assert "over 1 check" in change.reason


def test_a_device_runs_as_long_as_its_check_does(device: Device) -> None:
    job = health.start_check(device, cause=Cause.ASKED).job
    assert job is not None
    Device.objects.filter(pk=device.pk).update(state=DeviceState.RUNNING)
    for state, seen in ((State.RUNNING, DeviceState.RUNNING), (State.FINISHED, DeviceState.IDLE)):
        Job.objects.filter(pk=job.pk).update(state=state)
        sweep()
        device.refresh_from_db()
        assert device.state == seen


def test_a_check_that_fails_makes_the_device_bad_until_one_succeeds(
    device: Device, work: Worker
) -> None:
    Device.objects.filter(pk=device.pk).update(targets=["gone-target"], cpuset="")
    device.refresh_from_db()
    with pytest.raises(Refused, match="offers no target"):
        health.start_check(device, cause=Cause.ASKED)
    Device.objects.filter(pk=device.pk).update(targets=[TARGET])
    device.refresh_from_db()
    check = health.start_check(device, cause=Cause.ASKED)
    assert check.job is not None
    claimed = Job.objects.claim(check.job.pk, worker="w")
    assert claimed is not None
    jobs.end(check.job.pk, state=State.FAILED, claim=claimed.claim, reason="it crashed")
    device.refresh_from_db()
    assert (device.health, device.health_reason) == ("bad", "the health check failed: it crashed")
    with pytest.raises(Refused, match="no device in service offers the target"):
        choose_device(TARGET)
    assert health.due(device) is None
    device.health_checks.update(ended=timezone.now() - health.RETRY_BAD)
    assert health.due(device) == Cause.RECOVERY
    health.start_due_checks(device.host)
    work("check-here-cpu")
    device.refresh_from_db()
    assert device.in_service
    assert [c.now for c in device.health_changes.all()] == [device.health, "bad"]


def test_a_check_does_not_overrule_a_person(device: Device, people: People, work: Worker) -> None:
    assert health.take_out(device, by=people.admin, reason="new fan")
    assert not health.take_out(device, by=people.admin, reason="again")
    health.start_check(device, cause=Cause.ASKED, by=people.admin)
    work("check-here-cpu")
    device.refresh_from_db()
    assert (device.health, device.health_reason) == ("maintenance", "new fan")
    assert device.health_checks.get().ratio is not None
    assert health.put_back(device, by=people.admin, reason="it turns")
    device.refresh_from_db()
    assert device.health == "unknown"
    assert device.health_checks.filter(ended__isnull=True).get().asked_by == people.admin


def test_a_device_that_was_removed_meanwhile_is_not_checked(device: Device) -> None:
    """By an administrator, between an agent's look and its check: the agent must live on."""
    seen = Device.objects.get(pk=device.pk)
    device.delete()
    with pytest.raises(Refused, match="was removed from the pool"):
        health.start_check(seen, cause=Cause.HOURS)
    assert not Job.objects.exists()


def test_a_retired_device_is_not_checked(device: Device, people: People) -> None:
    health.retire(device, by=people.admin, reason="sold")
    assert health.due(device) is None
    with pytest.raises(Refused, match="is retired; put it back"):
        health.start_check(device, cause=Cause.ASKED)


@pytest.mark.parametrize(
    ("every_jobs", "every_h", "jobs_done", "hours_ago", "cause"),
    [
        (3, 24, 2, 23, None),
        (3, 24, 3, 1, Cause.JOBS),
        (0, 24, 99, 1, None),
        (3, 24, 0, 24, Cause.HOURS),
        (3, 0, 0, 999, None),
    ],
)
def test_a_check_is_due_after_so_many_jobs_or_hours(
    device: Device, every_jobs: int, every_h: int, jobs_done: int, hours_ago: int, cause: str | None
) -> None:
    device.check_every_jobs, device.check_every_h = every_jobs, every_h
    checked(device, ago=timedelta(hours=hours_ago))
    for _ in range(jobs_done):
        Job.objects.create(
            kind=Kind.MEASURE, queue=device.queue, state=State.FINISHED, ended=timezone.now()
        )
    long_ago = timezone.now() - timedelta(days=99)  # before the check: counts no more
    Job.objects.create(kind=Kind.MEASURE, queue=device.queue, state=State.FINISHED, ended=long_ago)
    assert health.due(device) == cause


def test_the_history_is_that_of_the_latest_checks(device: Device) -> None:
    for number in range(55):
        checked(device, ago=timedelta(hours=55 - number), ratio=1 + number / 1000)
    HealthCheck.objects.create(device=device, target=TARGET, cause=Cause.HOURS, failure="crash")
    ratios = health.history(device)
    assert len(ratios) == 50
    assert (ratios[0], ratios[-1]) == (1.005, 1.054)


def test_a_queued_check_says_why_it_waits(device: Device) -> None:
    check = health.start_check(device, cause=Cause.ASKED)
    assert check.job is not None
    assert why(check.job) == f"is queued for {device}, whose agent is silent"
    Host.objects.update(agent_heartbeat=timezone.now())
    assert "no worker of the queue check-here-cpu is alive" in why(Job.objects.get())
