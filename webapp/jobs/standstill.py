"""Why a job does not move, in one line, for administrators."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from redis.exceptions import RedisError

from webapp.jobs import queues, services
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import Device, Host
from webapp.ui import figures

_DEEP = 3  # a search waits for a training, which waits for another


def why(job: Job) -> str:
    """What keeps ``job`` from moving on: one line, also for one that runs or has ended."""
    return _why(job, deep=_DEEP)


def _why(job: Job, *, deep: int) -> str:
    if job.is_final:
        said = f"it has ended: {job.get_state_display().lower()}"
        return f"{said}, {job.reason}" if job.reason else said
    if job.state == State.PAUSED:
        return f"{job.message or 'paused'}; it goes on when it is resumed"
    if job.state == State.WAITING:
        return _waiting(job, deep=deep)
    if job.state == State.RUNNING:
        return _running(job)
    return _queued(job)


def _waiting(job: Job, *, deep: int) -> str:
    others = [other for other in job.waits_for.order_by("pk") if not other.is_final]
    if not others:
        return "what it waited for has ended; the next sweep of an agent wakes it"
    first, rest = others[0], len(others) - 1
    more = f" (and {rest} more)" if rest else ""
    title = f"waits for {_title(first)}{more}"
    return f"{title}, which {_why(first, deep=deep - 1)}" if deep else title


def _title(job: Job) -> str:
    if job.kind == Kind.TRAIN and hasattr(job, "training"):
        return f"job {job.pk}, training {job.training.title!r}"
    return f"job {job.pk}, {job.get_kind_display().lower()}"


def _running(job: Job) -> str:
    beat = job.heartbeat or job.started
    silent = _ago(beat)
    if beat is not None and timezone.now() - beat > services.SILENCE:
        return f"runs, but its worker {job.worker} was last heard of {silent} ago; {_sweeper()}"
    holder = _holder(job)
    if holder:
        return f"{holder}; its own worker was heard of {silent} ago"
    doing = f" ({job.message})" if job.message else ""
    return f"runs, {job.progress:.0%} done{doing}; its worker was heard of {silent} ago"


def _holder(job: Job) -> str:
    """That another job leases the host of the job's device; empty if none does."""
    device = _device(job)
    if device is None or not device.host.is_leased or device.host.leased_by_id == job.pk:
        return ""
    since = f" for {_ago(device.host.leased_at)}"
    return f"waits for host {device.host}, leased by job {device.host.leased_by_id}{since}"


def _queued(job: Job) -> str:
    if job.kind in (Kind.MEASURE, Kind.CHECK):
        device = _device(job)
        if device is None:
            return "is queued for a device that was removed from the pool"
        if job.kind == Kind.MEASURE and device.trouble:
            return f"is queued for {device}, which is {device.trouble}"
        if device.is_remote_bundle:
            return f"leaves in the next bundle of {device}; its results are then imported"
        if not device.host.has_agent:
            return f"is queued for {device}, whose agent is silent{_since(device.host)}"
    try:
        workers = queues.workers(job.queue)
    except RedisError:
        return "is queued, but Redis does not answer; an agent hands it over when it is back"
    if not workers:
        return f"is queued, and no worker of the queue {job.queue} is alive"
    ahead = (job.position or 1) - 1
    busy = _holder(job)
    if busy:
        return f"is queued behind {ahead}; its device {busy}"
    running = Job.objects.filter(queue=job.queue, state=State.RUNNING).values_list("pk", flat=True)
    at_work = ", ".join(f"job {pk}" for pk in sorted(running)[:3])
    if not at_work:
        return f"is queued behind {ahead} for {_ago(job.queued_at)}; a worker is free and takes it"
    return f"is queued behind {ahead}; workers of {job.queue} ({workers}) do {at_work}"


def _device(job: Job) -> Device | None:
    if job.kind == Kind.CHECK and hasattr(job, "health_check"):
        return job.health_check.device
    if job.kind == Kind.MEASURE and hasattr(job, "measurement"):
        return job.measurement.device
    return None


def _since(host: Host) -> str:
    return f" for {_ago(host.agent_heartbeat)}" if host.agent_heartbeat else ""


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return figures.MISSING
    return figures.duration(max(0.0, (timezone.now() - moment).total_seconds()))


def _sweeper() -> str:
    if any(host.has_agent for host in Host.objects.all()):
        return "the next sweep of an agent queues it again"
    return "no agent is alive to queue it again"
