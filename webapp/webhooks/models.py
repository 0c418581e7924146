"""Webhooks and what was sent to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac

from webapp.ids import new_id
from webapp.jobs.models import Job
from webapp.webhooks.choices import TEST, DeliveryState

_SECRET_SALT = "webapp.webhooks"


class Webhook(models.Model):
    """An address of its owner's that is told when one of their searches ends."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    site = models.CharField(max_length=200, help_text="our own address, as its maker reached us")
    version = models.PositiveIntegerField(default=1, help_text="of the secret")
    failures = models.PositiveIntegerField(default=0, help_text="deliveries that failed in a row")
    switched_off = models.DateTimeField(null=True, help_text="since when, after too many failures")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "pk"]

    def __str__(self) -> str:
        return f"Webhook {self.pk}"  # the whole address may hold a key of its owner's

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def is_owned_by(self, user: User | AnonymousUser) -> bool:
        return user.is_authenticated and self.owner_id == user.pk

    @property
    def secret(self) -> str:
        """What its deliveries are signed with. Derived, so that no row holds a secret."""
        value = f"{self.pk}:{self.version}"
        return f"whsec_{salted_hmac(_SECRET_SALT, value, algorithm='sha256').hexdigest()}"


class Delivery(models.Model):
    """One event for one webhook, and every attempt to deliver it."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20)
    search = models.ForeignKey(
        "searches.Search", null=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    body = models.TextField(help_text="what is signed and sent, the same in every attempt")
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts: models.JSONField[Any, list[dict[str, Any]]] = models.JSONField(
        default=list, help_text="[{at, status, error, seconds}]"
    )
    not_before: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True, help_text="when the next attempt is due; null while a job is at it"
    )
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="delivery")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "pk"]
        verbose_name_plural = "deliveries"
        indexes = [
            # The sweeper asks every few seconds, and almost always for none.
            models.Index(
                fields=["not_before"],
                condition=Q(state=DeliveryState.PENDING),
                name="delivery_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"

    @property
    def is_test(self) -> bool:
        return self.event == TEST

    @property
    def tries(self) -> list[dict[str, Any]]:
        """The attempts, with their times as datetimes."""
        return [
            {**attempt, "at": datetime.fromisoformat(attempt["at"])} for attempt in self.attempts
        ]
