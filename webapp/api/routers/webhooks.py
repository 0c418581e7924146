"""Webhooks: addresses that are told when a search ends."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from webapp.api import documents, lists, schemas
from webapp.api.auth import SIGNED_IN, missing, user_of
from webapp.api.lists import CURSOR, SIZE
from webapp.webhooks import services
from webapp.webhooks.models import Webhook

router = Router(tags=["webhooks"], auth=SIGNED_IN)


@router.post("/webhooks", response={201: schemas.WebhookSecret})
def create(request: HttpRequest, body: schemas.WebhookIn) -> Status[schemas.WebhookSecret]:
    """Name an address that is told when one of your searches ends; at most 10."""
    row = services.create(
        owner=user_of(request), url=body.url, site=request.build_absolute_uri("/")
    )
    return Status(201, documents.webhook_with_secret(row))


@router.get("/webhooks", response=list[schemas.WebhookOut])
def mine(
    request: HttpRequest, response: HttpResponse, cursor: str = CURSOR, size: int = SIZE
) -> list[schemas.WebhookOut]:
    """Your webhooks, the newest first. The Link header names the next page."""
    found = user_of(request).webhooks.all()
    rows = lists.page(request, response, found, cursor=cursor, size=size)
    return [documents.webhook(row) for row in rows]


@router.get("/webhooks/{webhook_id}", response=schemas.WebhookOut)
def get(request: HttpRequest, webhook_id: str) -> schemas.WebhookOut:
    """A webhook, and whether it was switched off."""
    return documents.webhook(_own(request, webhook_id))


@router.delete("/webhooks/{webhook_id}", response={204: None})
def delete(request: HttpRequest, webhook_id: str) -> Status[None]:
    """Delete a webhook with its deliveries; nothing more is sent to it."""
    services.delete(_own(request, webhook_id))
    return Status(204, None)


@router.post("/webhooks/{webhook_id}/secret", response=schemas.WebhookSecret)
def renew(request: HttpRequest, webhook_id: str) -> schemas.WebhookSecret:
    """A new secret; the one before signs nothing any more."""
    row = _own(request, webhook_id)
    services.renew_secret(row)
    return documents.webhook_with_secret(row)


@router.post("/webhooks/{webhook_id}/test", response={201: schemas.DeliveryOut})
def test(request: HttpRequest, webhook_id: str) -> Status[schemas.DeliveryOut]:
    """Send the event `test`, once. If it arrives, a webhook that was switched off is on again."""
    return Status(201, documents.delivery(services.send_test(_own(request, webhook_id))))


@router.get("/webhooks/{webhook_id}/deliveries", response=list[schemas.DeliveryOut])
def deliveries(
    request: HttpRequest,
    response: HttpResponse,
    webhook_id: str,
    cursor: str = CURSOR,
    size: int = SIZE,
) -> list[schemas.DeliveryOut]:
    """What was sent to it, the newest first: the last 100, with every attempt."""
    found = _own(request, webhook_id).deliveries.all()
    rows = lists.page(request, response, found, cursor=cursor, size=size)
    return [documents.delivery(row) for row in rows]


def _own(request: HttpRequest, webhook_id: str) -> Webhook:
    row = user_of(request).webhooks.filter(pk=webhook_id).first()
    if row is None:
        raise missing("webhook", webhook_id)
    return row
