"""The life of a job: make, queue, end, cancel, and sweep up after dead workers.

Each change of state is one filtered update; who changed no row lost the race and does nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone
from redis.exceptions import RedisError

from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.jobs import handlers, queues
from webapp.jobs.choices import ALIVE, FINAL, OPEN, Fault, Kind, State
from webapp.jobs.models import Job
from webapp.jobs.processes import is_alive, is_here, kill, this_process
from webapp.jobs.sightings import Sightings

log = logging.getLogger(__name__)

SILENCE = timedelta(seconds=15)  # without a heartbeat for so long, a worker elsewhere is dead
LONG_SILENCE = timedelta(seconds=180)  # ... one whose process still lives here hangs
LOST_AFTER = timedelta(
    seconds=5
)  # a queued job that Redis does not know after this is pushed again
UNNEEDED = "nobody needs it any more"  # why a job was cancelled that may well be needed again
OVERTIME = timedelta(seconds=60)  # past its deadline for so long, a job is ended from outside
_sightings = Sightings()  # of who sweeps in this process


def create(
    *,
    kind: Kind,
    queue: str,
    payload: dict[str, Any],
    owner: User | None = None,
    limit_s: int = 600,
    max_attempts: int = 3,
) -> Job:
    """A new queued job; Redis gets it when the transaction commits."""
    job = Job.objects.create(
        kind=kind,
        queue=queue,
        turn=Job.objects.next_turn(queue=queue, owner_id=owner.pk if owner else None),
        payload=payload,
        owner=owner,
        limit_s=limit_s,
        max_attempts=max_attempts,
        sent=1,
    )
    log.info("job %s (%s) made", job.pk, kind, extra=job.trace)
    transaction.on_commit(lambda: _push(job.pk))
    return job


def requeue(job_id: int, *, states: tuple[State, ...], **changes: Any) -> bool:
    """Queue a job again if it is in one of ``states``; whether it was."""
    place = Job.objects.filter(pk=job_id).values("queue", "owner_id").first()
    if place is None:
        return False
    changed = Job.objects.filter(pk=job_id, state__in=states).update(
        state=State.QUEUED,
        turn=Job.objects.next_turn(**place),
        sent=F("sent") + 1,
        queued_at=timezone.now(),
        heartbeat=None,
        ended=None,
        worker="",
        **changes,
    )
    if changed == 1:
        transaction.on_commit(lambda: _push(job_id))
    return changed == 1


def wake(job_id: int) -> bool:
    """Let a waiting job go on."""
    return requeue(job_id, states=(State.WAITING,), message="")


def restart(job: Job, *, by: User | None = None, reason: str = "") -> bool:
    """Run an ended job once more, as if it were new.

    ``by`` is the person who asked for it, whose name and ``reason`` stand in the audit trail; a
    reason is shown to the job's owner, too. None: the site itself.
    """
    message = f"queued again {by_whom(job, by)}: {reason}"[:300] if reason else ""
    blank = {"reason": "", "error": "", "fault": Fault.NONE, "traceback": "", "message": message}
    with transaction.atomic():
        done = requeue(job.pk, states=FINAL, attempt=1, **blank)
        if done and by is not None:
            record(by=by, action=Action.REQUEUED, what=job, detail=_about(job, reason))
    return done


def end(
    job_id: int,
    *,
    state: State,
    claim: int | None = None,
    states: tuple[State, ...] = (State.RUNNING,),
    reason: str = "",
    fault: Fault = Fault.NONE,
    error: str = "",
    traceback: str = "",
) -> bool:
    """Give a job its final state, if it is in one of ``states`` (and held by ``claim``)."""
    rows = Job.objects.filter(pk=job_id, state__in=states)
    if claim is not None:
        rows = rows.filter(claim=claim)
    values: dict[str, Any] = {} if state != State.FINISHED else {"progress": 1.0}
    with transaction.atomic():
        changed = rows.update(
            state=state,
            ended=timezone.now(),
            reason=reason,
            fault=fault,
            error=error,
            traceback=traceback,
            **values,
        )
        if changed != 1:
            return False
        job = Job.objects.get(pk=job_id)
        handlers.of(job).call_ended(job)
        if state != State.FINISHED:
            _release(job)
        transaction.on_commit(lambda: _wake_waiting_for(job))
    level = logging.WARNING if state == State.FAILED else logging.INFO
    said = f": {reason}" if reason else ""
    log.log(level, "job %s (%s) %s%s", job_id, job.kind, state.value, said, extra=job.trace)
    return True


def cancel(job: Job, *, reason: str, by: User | None = None) -> bool:
    """Cancel a job that has not ended. A running worker sees it within a few seconds.

    The owner sees the ``reason``; ``by`` is the person who did it, None for the site itself.
    """
    with transaction.atomic():
        done = end(job.pk, state=State.CANCELLED, states=OPEN, reason=reason)
        if done and by is not None:
            record(by=by, action=Action.CANCELLED, what=job, detail=_about(job, reason))
    return done


def by_whom(job: Job, by: User | None) -> str:
    """``by its owner``, ``by the administrator NAME``; "by the site" without a person."""
    if by is None:
        return "by the site"
    return "by its owner" if by.pk == job.owner_id else f"by the administrator {by.get_username()}"


def _about(job: Job, reason: str = "") -> str:
    """What the trail says beside the job's number: of whose what it is, and why."""
    what = f"{job.payload['id']} " if "id" in job.payload else ""
    whose = f"of {job.owner.get_username()}" if job.owner else "of the site"
    return f"{what}{whose}{': ' if reason else ''}{reason}"


def pause(job: Job, *, by: User | None = None) -> bool:
    """Stop a job until :func:`resume`, and cancel what only it needs; whether it was alive.

    A running worker loses the job as it does on a cancel, and frees itself within a few seconds.
    ``by`` is the person who did it.
    """
    message = f"paused {by_whom(job, by)}"
    with transaction.atomic():
        changed = Job.objects.filter(pk=job.pk, state__in=ALIVE).update(
            state=State.PAUSED, message=message[:300], heartbeat=None, worker=""
        )
        if changed == 1:
            _release(job)
            if by is not None:
                record(by=by, action=Action.PAUSED, what=job, detail=_about(job))
    return changed == 1


def resume(job: Job, *, by: User | None = None) -> bool:
    """Queue a paused job again, with the measurements that its pause cancelled."""
    with transaction.atomic():
        if not requeue(job.pk, states=(State.PAUSED,), message=""):
            return False
        # Trainings are asked for anew and go on from their last epoch; a measurement is not.
        for other in job.needs.filter(kind=Kind.MEASURE, state=State.CANCELLED, reason=UNNEEDED):
            restart(other)
        if by is not None:
            record(by=by, action=Action.RESUMED, what=job, detail=_about(job))
    return True


def need(job: Job, other: Job) -> None:
    """Note that ``other`` was started for ``job``; it is cancelled when nobody needs it."""
    job.needs.add(other)


def park(job: Job, *, waits_for: set[int], message: str) -> None:
    """A running job starts to wait for other jobs, and frees its worker.

    They may end between its look and this update, so look once more afterwards: who ends one either
    sees this job waiting, or is seen here. To wait is progress, so attempts count from 1 again.
    """
    with transaction.atomic():
        changed = Job.objects.filter(pk=job.pk, state=State.RUNNING, claim=job.claim).update(
            state=State.WAITING, message=message[:300], attempt=1, heartbeat=None, worker=""
        )
        if changed != 1:
            return
        job.waits_for.set(waits_for)
    if job.is_ready:
        wake(job.pk)


def note_progress(job: Job) -> None:
    """A running job has finished something that it will not do again: attempts count from 1."""
    Job.objects.filter(pk=job.pk, state=State.RUNNING, claim=job.claim).update(attempt=1)
    job.attempt = 1


def _release(job: Job) -> None:
    """Cancel what only ``job`` needed."""
    for other in job.needs.filter(state__in=ALIVE):
        if not other.needed_by.filter(state__in=ALIVE).exists():
            cancel(other, reason=UNNEEDED)


def _wake_waiting_for(job: Job) -> None:
    for waiting in job.waiting.filter(state=State.WAITING):
        if waiting.is_ready:
            wake(waiting.pk)


def sweep() -> int:
    """Put right what died: lost workers, jobs that Redis forgot, missed wake-ups. Idempotent.

    Returns how many jobs it touched.
    """
    return _end_overdue() + _recover_dead() + _push_lost() + _wake_ready()


def _end_overdue() -> int:
    count = 0
    for job in Job.objects.filter(state=State.RUNNING):
        # Both times are the job's own: no other clock has a say in how old it is.
        if job.deadline and job.heartbeat and job.heartbeat > job.deadline + OVERTIME:
            reason = f"ran past its limit of {job.limit_s} s"
            count += end(
                job.pk, state=State.FAILED, claim=job.claim, reason=reason, fault=Fault.OURS
            )
    return count


def _recover_dead() -> int:
    count = 0
    running = list(Job.objects.filter(state=State.RUNNING))
    still = _sightings.look(running)
    for job in running:
        silence = timedelta(seconds=still[job.pk])
        if not is_here(job.worker):
            count += silence > SILENCE and recover(job, why="its worker died")
        elif not is_alive(job.worker):
            count += recover(job, why="its worker died")
        elif silence > LONG_SILENCE and job.worker != this_process():
            _end_stuck(job)
            count += recover(job, why=f"its worker hung for {silence.total_seconds():.0f} s")
    return count


def _end_stuck(job: Job) -> None:
    """kill -9: a process that is stopped hears nothing else, and would keep the host's lock."""
    try:
        kill(job.worker)
    except PermissionError as error:
        log.error("job %s: worker %s: %s", job.pk, job.worker, error, extra=job.trace)


def resume_later() -> int:
    """Queue again what ran in workers of this machine that were stopped; how many jobs.

    For who stops workers on purpose: that counts as no attempt.
    """
    here = Job.objects.filter(state=State.RUNNING)
    stopped = [job for job in here if is_here(job.worker) and not is_alive(job.worker)]
    return sum(_requeue_lost(job, why="its worker was stopped", attempts=0) for job in stopped)


def recover(job: Job, *, why: str) -> bool:
    """Queue a job again whose run was lost, or fail it after the last attempt."""
    if job.attempt >= job.max_attempts:
        reason = f"{why} in attempt {job.attempt} of {job.max_attempts}"
        return end(job.pk, state=State.FAILED, claim=job.claim, reason=reason, fault=Fault.OURS)
    return _requeue_lost(job, why=why, attempts=1)


def put_back(job: Job, *, why: str) -> bool:
    """Queue a running job again whose device takes no jobs now; that counts as no attempt."""
    return _requeue_lost(job, why=why[:300], attempts=0)


def _requeue_lost(job: Job, *, why: str, attempts: int) -> bool:
    with transaction.atomic():
        # The claim moves on too: should the lost run come back, it no longer owns the job.
        mine = Job.objects.filter(pk=job.pk, state=State.RUNNING, claim=job.claim)
        if mine.update(claim=F("claim") + 1) != 1:
            return False
        log.warning("job %s (%s): %s; queued again", job.pk, job.kind, why, extra=job.trace)
        return requeue(
            job.pk, states=(State.RUNNING,), attempt=F("attempt") + attempts, message=why
        )


def _push_lost() -> int:
    """Send a message for every queued job that Redis has none for.

    A message says that its queue holds a job, and whoever takes it runs the job whose turn it is;
    so their number is what counts.
    """
    now = timezone.now()
    # Neither just now nor, by a clock that was set since, in a while.
    overdue = Job.objects.queued().exclude(queued_at__range=(now - LOST_AFTER, now + LOST_AFTER))
    waiting = overdue.order_by("queue").values_list("queue").annotate(n=Count("pk"))
    count = 0
    for queue, n in waiting:
        lacking = max(0, n - queues.length(queue))
        for job in overdue.filter(queue=queue)[:lacking]:
            # A new id: should an old copy turn up late, these are two messages, and one is idle.
            changed = Job.objects.filter(pk=job.pk, state=State.QUEUED, sent=job.sent).update(
                sent=F("sent") + 1
            )
            if changed == 1:
                _push(job.pk)
                count += 1
    return count


def _wake_ready() -> int:
    waiting = Job.objects.filter(state=State.WAITING)
    return sum(job.is_ready and wake(job.pk) for job in waiting)


def _push(job_id: int) -> None:
    job = Job.objects.filter(pk=job_id, state=State.QUEUED).first()
    if job is None:
        return
    try:
        queues.push(job)
    except RedisError as error:
        # The row stays queued and says so; the sweeper pushes it when Redis is back.
        log.warning("job %s waits for Redis: %s", job_id, error, extra=job.trace)
