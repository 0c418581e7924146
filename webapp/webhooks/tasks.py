"""What a worker of the queue ``deliver`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webapp.webhooks import services
from webapp.webhooks.choices import DeliveryState
from webapp.webhooks.models import Delivery
from webapp.webhooks.sending import send

if TYPE_CHECKING:
    from webapp.jobs.context import JobContext


def deliver(context: JobContext) -> None:
    """Make one attempt, and record how it went.

    A worker that dies between the two makes the same attempt again in its next life: receivers
    tell copies by the delivery's id.
    """
    waiting = Delivery.objects.filter(
        pk=context.job.payload["id"], state=DeliveryState.PENDING, not_before__isnull=True
    )
    delivery = waiting.select_related("webhook").first()
    if delivery is None:  # deleted, or recorded by a run that died just after
        return
    outcome = send(
        delivery.webhook.url,
        body=delivery.body,
        secret=delivery.webhook.secret,
        event=delivery.event,
        delivery=delivery.pk,
    )
    context.check()
    services.note(delivery, outcome)
