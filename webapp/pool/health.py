"""The health of devices: what persons and checks say of it, and when a check is due.

Persons put a device into maintenance, retire it and put it back; checks decide between good, noisy
and bad by the rules of :func:`verdict` (docs/measurement.md says them in words). Neither overrules
the other: a device in maintenance may be checked, and stays where it is.
"""

from __future__ import annotations

import statistics as plain
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from devices import statistics, targets
from devices.protocol import MeasureResult
from devices.targets import Target
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.errors import Refused
from webapp.jobs import services as jobs
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.choices import BY_PERSON, Cause, Health
from webapp.pool.models import Device, HealthChange, HealthCheck, Host

NOISY_FLOOR, BAD_FLOOR = 0.02, 0.10  # noise floors
NOISY_DRIFT, BAD_DRIFT = 0.15, 0.50  # |latency / its history - 1|
ENOUGH = 5  # checks before drift, or a bad noise floor, is judged
RETRY_BAD = timedelta(minutes=15)  # a bad device is checked again so often
_LIMIT_S = 900
_REASON = 300


class Judgement(NamedTuple):
    """What a check says of a device's health, and why."""

    health: Health
    reason: str


def verdict(*, floor: float, drift: float | None, checks: int) -> Judgement:
    """The health of a device with this noise floor and drift, known from so many checks."""
    bad, noisy = [], []
    said = f"noise floor {100 * floor:.2f} % over {checks} check{'s' if checks > 1 else ''}"
    if floor > BAD_FLOOR and checks >= ENOUGH:
        bad.append(f"{said}, above {100 * BAD_FLOOR:.0f} %")
    elif floor > NOISY_FLOOR:
        noisy.append(f"{said}, above {100 * NOISY_FLOOR:.0f} %")
    if drift is not None and abs(drift) > NOISY_DRIFT:
        moved = f"takes {100 * abs(drift):.0f} % {'more' if drift > 0 else 'less'} than it used to"
        (bad if abs(drift) > BAD_DRIFT else noisy).append(moved)
    if bad:
        return Judgement(Health.BAD, "; ".join(bad + noisy))
    if noisy:
        return Judgement(Health.NOISY, "; ".join(noisy))
    return Judgement(Health.GOOD, said)


def history(device: Device) -> list[float]:
    """The A/A ratios of the device's latest checks, from old to new: what makes its floor."""
    rows = device.health_checks.filter(ratio__isnull=False).order_by("-created", "-pk")
    latest = rows.values_list("ratio", flat=True)[: statistics.FLOOR_OF]
    return [ratio for ratio in latest if ratio is not None][::-1]


def drift(latency_ms: float, earlier: Sequence[float]) -> float | None:
    """Latency over the median of earlier ones, less 1; None with fewer than ``ENOUGH`` of them."""
    if len(earlier) < ENOUGH:
        return None
    return latency_ms / plain.median(earlier) - 1.0


def note(check: HealthCheck, result: MeasureResult) -> None:
    """Keep what a check measured. Its drift counts checks of the same target and software only."""
    arm = next(arm for arm in result.arms if arm.name != result.baseline)
    before = check.device.health_checks.filter(target=check.target, ratio__isnull=False)
    versions = result.provenance.versions
    earlier = [
        row.latency_ms
        for row in before.exclude(pk=check.pk)[: statistics.FLOOR_OF]
        if row.latency_ms is not None and (row.provenance or {}).get("versions") == versions
    ]
    check.ratio, check.latency_ms = arm.ratio, arm.latency_ms
    check.low, check.high = arm.ratio_interval.low, arm.ratio_interval.high
    check.drift = drift(arm.latency_ms, earlier)
    check.provenance = result.provenance.model_dump(mode="json")
    check.save(update_fields=["ratio", "low", "high", "latency_ms", "drift", "provenance"])


def check_job_ended(job: Job) -> None:
    """A check is over: its device is what the check says, unless a person said otherwise."""
    check = HealthCheck.objects.select_related("device__host").filter(job=job).first()
    if check is None:
        return  # its device was removed meanwhile
    failed = job.state != State.FINISHED
    check.ended = job.ended
    check.failure = (job.reason or job.get_state_display()) if failed else ""
    check.save(update_fields=["ended", "failure"])
    if job.state == State.CANCELLED or check.device.health in BY_PERSON:
        return
    if failed:
        said = Judgement(Health.BAD, f"the health check failed: {job.reason}")
    else:
        ratios = history(check.device)
        floor = statistics.noise_floor(ratios)
        said = verdict(floor=floor, drift=check.drift, checks=len(ratios))
    _change(check.device, to=said.health, reason=said.reason, author="")


def start_check(device: Device, *, cause: Cause, by: User | None = None) -> HealthCheck:
    """Queue a check of ``device``; ``by`` is the person who asked for it.

    Raises:
        Refused: it is retired or removed, offers no target, is only reached by bundles, or one is
            under way.
    """
    if device.health == Health.RETIRED:
        raise Refused(f"{device} is retired; put it back to have it checked")
    offered = [target for target in targets.TARGETS if target.id in device.targets]
    if not offered:
        raise Refused(f"{device} offers no target to be checked on")
    if device.is_remote_bundle:
        raise Refused(f"{device} is reached by bundles only, and cannot be checked from here")
    with transaction.atomic():
        # One at a time; and an agent that meant to check it must outlive a device.
        if Device.objects.select_for_update().filter(pk=device.pk).first() is None:
            raise Refused(f"{device} was removed from the pool")
        if device.health_checks.filter(ended__isnull=True).exists():
            raise Refused(f"a check of {device} is under way")
        check = HealthCheck.objects.create(
            device=device, target=_target(offered).id, cause=cause, asked_by=by
        )
        check.job = jobs.create(
            kind=Kind.CHECK,
            queue=device.check_queue,
            payload={"id": check.pk},
            limit_s=_LIMIT_S,
            max_attempts=2,
        )
        check.save(update_fields=["job"])
        if by is not None:
            record(by=by, action=Action.CHECKED, what=device)
    return check


def start_due_checks(host: Host) -> int:
    """Queue the checks that are due on the devices of ``host``; how many. For its agent."""
    count = 0
    for device in host.devices.exclude(health__in=BY_PERSON):
        cause = due(device)
        if cause is not None:
            with suppress(Refused):  # somebody else was first
                start_check(device, cause=cause)
                count += 1
    return count


def due(device: Device) -> Cause | None:
    """Why ``device`` should be checked now; None if it should not."""
    if not device.targets or device.is_remote_bundle or device.health in BY_PERSON:
        return None
    last = device.health_checks.first()
    if last is None:
        return Cause.REGISTRATION
    if last.ended is None:
        return None
    silent = abs(timezone.now() - last.ended)  # a time to come: the clock was set back
    if device.health == Health.BAD:
        return Cause.RECOVERY if silent >= RETRY_BAD else None
    if device.check_every_h and silent >= timedelta(hours=device.check_every_h):
        return Cause.HOURS
    every = device.check_every_jobs
    done = Job.objects.filter(
        kind=Kind.MEASURE, queue=device.queue, state=State.FINISHED, ended__gt=last.ended
    )
    return Cause.JOBS if every and done.count() >= every else None


def _target(offered: list[Target]) -> Target:
    """Where a device that offers these is checked: a measured target in fp32 if it has one."""
    return min(offered, key=lambda t: (t.kind != "measured", t.precision != "fp32"))


def take_out(device: Device, *, by: User, reason: str) -> bool:
    """Into maintenance; whether that changed anything. Its jobs wait until it is put back."""
    return _by_person(device, Health.MAINTENANCE, Action.TAKEN_OUT, by=by, reason=reason)


def retire(device: Device, *, by: User, reason: str) -> bool:
    """Out of service for good, its history kept; whether that changed anything."""
    return _by_person(device, Health.RETIRED, Action.RETIRED, by=by, reason=reason)


def put_back(device: Device, *, by: User, reason: str) -> bool:
    """Into service, its health unknown until the check that is queued; whether it was out."""
    if device.in_service:
        return False
    with transaction.atomic():
        done = _by_person(device, Health.UNKNOWN, Action.ENABLED, by=by, reason=reason)
        under_way = device.health_checks.filter(ended__isnull=True).exists()
        if done and device.targets and not under_way and not device.is_remote_bundle:
            start_check(device, cause=Cause.ASKED, by=by)
    return done


def _by_person(device: Device, to: Health, action: Action, *, by: User, reason: str) -> bool:
    with transaction.atomic():
        done = _change(device, to=to, reason=reason, author=by.get_username())
        if done:
            record(by=by, action=action, what=device, detail=reason)
    return done


def _change(device: Device, *, to: Health, reason: str, author: str) -> bool:
    """Whether the health was another one. A new reason for the same health is kept, too."""
    was, reason = device.health, reason[:_REASON]
    if was == to:
        if not author:
            Device.objects.filter(pk=device.pk, health=was).update(health_reason=reason)
        return False
    # Filtered: who changed it meanwhile was first, and a check must not overrule a person.
    rows = Device.objects.filter(pk=device.pk, health=was)
    with transaction.atomic():
        if rows.update(health=to, health_reason=reason) != 1:
            return False
        HealthChange.objects.create(device=device, was=was, now=to, reason=reason, author=author)
    device.health, device.health_reason = to, reason
    return True
