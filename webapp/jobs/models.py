"""The job: a piece of work that some worker does. The database owns its truth; RQ carries it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Max, Min, Q
from django.utils import timezone

from webapp.jobs.choices import ALIVE, FINAL, Fault, Kind, State

if TYPE_CHECKING:
    from datetime import datetime

_QUEUED = Q(state=State.QUEUED)


class JobQuerySet(models.QuerySet["Job"]):
    def alive(self) -> JobQuerySet:
        """Not ended yet."""
        return self.filter(state__in=ALIVE)

    def queued(self) -> JobQuerySet:
        """Waiting for a worker, in the order in which workers take them."""
        return self.filter(state=State.QUEUED).order_by("turn", "queued_at", "pk")

    def next_turn(self, *, queue: str, owner_id: int | None) -> int:
        """The turn of one more job: after the owner's own, but not before whose turn it is now.

        So whoever queues a thousand jobs waits through a round of everybody else between any two,
        and a job, once it has its turn, is overtaken by no more than one of each other owner a
        round (start-time fair queuing; Goyal, Vin and Cheng, 1996).
        """
        waiting = self.filter(state=State.QUEUED, queue=queue)
        own = waiting.filter(owner=owner_id).aggregate(last=Max("turn"))["last"]
        if own is not None:
            return int(own) + 1
        return waiting.aggregate(now=Min("turn"))["now"] or 0

    def claim_next(self, queue: str, *, worker: str) -> Job | None:
        """The job of ``queue`` whose turn it is, now running and ours; None if nothing waits."""
        while True:
            first = self.queued().filter(queue=queue).values_list("pk", flat=True).first()
            if first is None:
                return None
            job = self.claim(first, worker=worker)
            if job is not None:  # else another worker was faster
                return job

    def claim(self, job_id: int, *, worker: str) -> Job | None:
        """Job ``job_id``, now running and ours; None if it was not queued any more.

        ``claim`` counts up, and only who holds the current number may end the job: a worker that
        was believed dead and comes back changes nothing.
        """
        now = timezone.now()
        changed = self.filter(pk=job_id, state=State.QUEUED).update(
            state=State.RUNNING,
            claim=F("claim") + 1,
            worker=worker,
            heartbeat=now,
            started=now,
        )
        return self.get(pk=job_id) if changed == 1 else None


class Job(models.Model):
    """One piece of work. Its state changes by filtered updates only, so that one worker wins."""

    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="jobs"
    )
    queue = models.CharField(max_length=80)
    turn = models.PositiveBigIntegerField(default=0, help_text="workers take the lowest first")
    payload = models.JSONField(default=dict, help_text="what the handler of this kind needs")
    limit_s = models.PositiveIntegerField(default=600, help_text="longest run, in seconds")
    progress = models.FloatField(default=0.0, help_text="0 to 1")
    message = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True, help_text="why it failed or was cancelled, in one line")
    fault = models.CharField(max_length=5, choices=Fault.choices, default=Fault.NONE, blank=True)
    error = models.CharField(max_length=60, blank=True, help_text="class of the exception")
    traceback = models.TextField(blank=True, help_text="for administrators")
    device_s = models.FloatField(
        null=True, help_text="for how many seconds its latest run had its device"
    )
    attempt = models.PositiveSmallIntegerField(default=1)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    claim = models.PositiveIntegerField(default=0, help_text="how often a worker took it")
    sent = models.PositiveIntegerField(default=0, help_text="how often it was handed to Redis")
    worker = models.CharField(max_length=120, blank=True, help_text="host:pid:start of the process")
    needs = models.ManyToManyField(
        "self",
        symmetrical=False,
        related_name="needed_by",
        blank=True,
        help_text="jobs that were started for it",
    )
    waits_for = models.ManyToManyField(
        "self",
        symmetrical=False,
        related_name="waiting",
        blank=True,
        help_text="those without which it cannot go on",
    )
    created = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True, help_text="start of the latest run")
    heartbeat = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            # The queue position and the sweeper ask for few live rows among many ended ones.
            models.Index(fields=["state", "queue", "queued_at"], name="job_state_queue"),
            # Whose turn it is, and the last turn of an owner.
            models.Index(fields=["queue", "turn", "queued_at"], name="job_next", condition=_QUEUED),
            models.Index(fields=["queue", "owner", "turn"], name="job_owner", condition=_QUEUED),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def is_ready(self) -> bool:
        """Whether a waiting job may go on: what it waits for is there, or never will be."""
        states = set(self.waits_for.values_list("state", flat=True))
        return not states & set(ALIVE) or bool(states & {State.FAILED, State.CANCELLED})

    @property
    def rq_id(self) -> str:
        """The id under which the latest push went to Redis."""
        return f"actnas-{self.pk}-{self.sent}"

    @property
    def trace(self) -> dict[str, object]:
        """What log lines about it carry: its id, and that of the search that asked for it first."""
        search = self.payload.get("search")
        return {"job": self.pk} | ({"search": search} if search else {})

    @property
    def deadline(self) -> datetime | None:
        """When the current run must be over."""
        return self.started + timedelta(seconds=self.limit_s) if self.started else None

    @property
    def position(self) -> int | None:
        """1 for the next one of its queue; None when it is not queued."""
        if self.state != State.QUEUED:
            return None
        ahead = (
            Q(turn__lt=self.turn)
            | Q(turn=self.turn, queued_at__lt=self.queued_at)
            | Q(turn=self.turn, queued_at=self.queued_at, pk__lt=self.pk)
        )
        return Job.objects.queued().filter(ahead, queue=self.queue).count() + 1
