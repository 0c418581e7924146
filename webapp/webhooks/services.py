"""Webhooks: make and end them, and see their deliveries through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from engine.remote.event import Event, Name
from webapp.accounts import quotas
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.errors import NotReady, Refused
from webapp.ids import new_id
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import OPEN, Kind, State
from webapp.jobs.models import Job
from webapp.webhooks import addresses
from webapp.webhooks.choices import TEST, DeliveryState
from webapp.webhooks.models import Delivery, Webhook
from webapp.webhooks.sending import Outcome

if TYPE_CHECKING:
    from webapp.searches.models import Search

MOST = 10  # webhooks of one user
PAUSES_S = (30, 120, 600, 3600, 6 * 3600)  # before the second attempt, the third ...
MOST_FAILURES = 20  # deliveries that fail in a row until a webhook is switched off
KEPT = 100  # deliveries of one webhook that are remembered
_LIMIT_S = 3600  # the request takes seconds, but it may wait for a measurement on its host


def create(*, owner: User, url: str, site: str) -> Webhook:
    """A new webhook. ``site`` is our own address, for the links in what it will be sent.

    Raises:
        Refused: the address may not be used, or the user has MOST webhooks already.
    """
    url = url.strip()
    addresses.check(url)
    with transaction.atomic():
        quotas.lock(owner)  # two at once must not both be the last
        if owner.webhooks.count() >= MOST:
            raise Refused(f"you have {MOST} webhooks, the most there can be; delete one first")
        webhook = Webhook.objects.create(owner=owner, url=url, site=site.rstrip("/"))
        record(by=owner, action=Action.ADDED, what=webhook, detail=f"to {webhook.host}")
    return webhook


def renew_secret(webhook: Webhook) -> str:
    """A new secret; the one before signs nothing from now on."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(version=F("version") + 1)
        record(by=webhook.owner, action=Action.CHANGED, what=webhook, detail="a new secret")
    webhook.refresh_from_db(fields=["version"])
    return webhook.secret


def delete(webhook: Webhook) -> None:
    """Delete a webhook with its deliveries; what is on its way is stopped."""
    with transaction.atomic():
        rows = Job.objects.filter(delivery__webhook=webhook)
        for job in rows.filter(state__in=OPEN):
            jobs.cancel(job, reason="its webhook was deleted")
        rows.delete()
        record(by=webhook.owner, action=Action.DELETED, what=webhook, detail=f"to {webhook.host}")
        webhook.delete()


def send_test(webhook: Webhook) -> Delivery:
    """Try a webhook: one attempt. If it arrives, a webhook that was switched off is on again.

    Raises:
        NotReady: the test before is still on its way.
    """
    if webhook.deliveries.filter(event=TEST, state=DeliveryState.PENDING).exists():
        raise NotReady("the last test is still on its way; wait for it")
    with transaction.atomic():
        page = reverse("webhooks:webhook", args=[webhook.pk])
        return _deliver(webhook, TEST, page=page, api=f"/api/v1/webhooks/{webhook.pk}")


def search_ended(search: Search, job: Job) -> None:
    """Tell the webhooks of a search's owner that it ended. Call it where its end is written."""
    state = cast("Literal['finished', 'failed', 'cancelled']", str(job.state))
    finished = search.result if job.state == State.FINISHED else None
    for webhook in Webhook.objects.filter(owner=search.request.owner_id, switched_off__isnull=True):
        _deliver(
            webhook,
            cast(Name, f"search.{state}"),
            of=search,
            request=search.request_id,
            search=search.pk,
            target=search.target,
            state=state,
            verdict=finished["verdict"]["sentence"] if finished else None,
            reason=job.reason,
            entries=[entry.pk for entry in search.entries.all()],
            page=reverse("searches:request", args=[search.request_id]),
            api=f"/api/v1/searches/{search.request_id}",
        )


def _deliver(
    webhook: Webhook, event: Name, *, page: str, api: str, of: Search | None = None, **facts: Any
) -> Delivery:
    key = new_id()
    said = Event(
        event=event,
        delivery=key,
        time=timezone.now(),
        page=webhook.site + page,
        api=webhook.site + api,
        **facts,
    )
    delivery = Delivery(
        id=key, webhook=webhook, event=event, search=of, body=said.model_dump_json()
    )
    delivery.job = _job(delivery)
    delivery.save(force_insert=True)
    _forget_old(webhook)
    return delivery


def _job(delivery: Delivery) -> Job:
    return jobs.create(
        kind=Kind.DELIVER,
        queue=queues.DELIVER,
        payload={"id": delivery.pk},
        owner=delivery.webhook.owner,
        limit_s=_LIMIT_S,
    )


def _forget_old(webhook: Webhook) -> None:
    ended = webhook.deliveries.exclude(state=DeliveryState.PENDING)
    old = list(ended.values_list("pk", flat=True)[KEPT:])
    if old:
        Job.objects.filter(delivery__in=old).delete()
        Delivery.objects.filter(pk__in=old).delete()


def note(delivery: Delivery, outcome: Outcome) -> None:
    """Note an attempt, and give the next one its time or the delivery its end."""
    delivery.attempts = [
        *delivery.attempts,
        {
            "at": timezone.now().isoformat(timespec="seconds"),
            "status": outcome.status,
            "error": outcome.error,
            "seconds": outcome.seconds,
        },
    ]
    if outcome.arrived:
        delivery.state = DeliveryState.DELIVERED
    elif delivery.is_test or len(delivery.attempts) > len(PAUSES_S):
        delivery.state = DeliveryState.FAILED
    else:
        pause = PAUSES_S[len(delivery.attempts) - 1]
        delivery.not_before = timezone.now() + timedelta(seconds=pause)
    with transaction.atomic():
        delivery.save(update_fields=["attempts", "state", "not_before"])
        _count(delivery)


def _count(delivery: Delivery) -> None:
    """Switch a webhook off that fails again and again, and on again when something arrives."""
    mine = Webhook.objects.filter(pk=delivery.webhook_id)
    if delivery.state == DeliveryState.DELIVERED:
        mine.update(failures=0, switched_off=None)
    elif delivery.state == DeliveryState.FAILED and not delivery.is_test:
        mine.update(failures=F("failures") + 1)
        mine.filter(failures__gte=MOST_FAILURES, switched_off__isnull=True).update(
            switched_off=timezone.now()
        )


def delivery_job_ended(job: Job) -> None:
    """A delivery whose job could not even try counts as tried; one that was cancelled has failed.

    What a job did try was recorded before it ended.
    """
    delivery = Delivery.objects.filter(
        job=job, state=DeliveryState.PENDING, not_before__isnull=True
    ).first()
    if delivery is None or job.state == State.FINISHED:
        return
    if job.state == State.CANCELLED:
        attempt = {"at": timezone.now().isoformat(timespec="seconds"), "status": None}
        delivery.attempts = [*delivery.attempts, {**attempt, "error": job.reason, "seconds": 0.0}]
        delivery.state = DeliveryState.FAILED
        delivery.save(update_fields=["attempts", "state"])
        return
    note(delivery, Outcome(status=None, error=f"not sent: {job.reason}"[:200], seconds=0.0))


def sweep() -> int:
    """Start the attempts that are due; how many. Nobody holds a worker between two attempts."""
    now = timezone.now()
    # Further away than any pause: the clock was set back.
    odd = Q(not_before__gt=now + timedelta(seconds=max(PAUSES_S)))
    due = Delivery.objects.filter(Q(not_before__lte=now) | odd, state=DeliveryState.PENDING)
    return sum(_again(row) for row in due.select_related("webhook__owner", "job"))


def _again(delivery: Delivery) -> bool:
    with transaction.atomic():
        # Every host's agent sweeps: who changes the row starts the attempt.
        mine = Delivery.objects.filter(pk=delivery.pk, not_before=delivery.not_before)
        if mine.update(not_before=None) != 1:
            return False
        if delivery.job is None:  # an administrator removed it
            mine = Delivery.objects.filter(pk=delivery.pk)
            mine.update(job=_job(delivery))
        elif not jobs.restart(delivery.job):  # the attempt before is not over yet
            transaction.set_rollback(True)
            return False
    return True
