"""API tokens, confirmed addresses and allowances. People are django.contrib.auth's users."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from webapp.accounts.choices import Scope

_HEAD = "actnas"


def _key_hash(secret: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), secret.encode(), sha256).hexdigest()


def all_scopes() -> list[str]:
    return list(Scope.values)


class ApiTokenManager(models.Manager["ApiToken"]):
    def issue(
        self, *, user: User, name: str, scopes: list[str] | None = None
    ) -> tuple[ApiToken, str]:
        """A new token and its text ``actnas_<prefix>_<secret>``, which is never seen again."""
        prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        token = self.create(
            user=user,
            name=name,
            prefix=prefix,
            key_hash=_key_hash(secret),
            scopes=all_scopes() if scopes is None else scopes,
        )
        return token, f"{_HEAD}_{prefix}_{secret}"

    def authenticate(self, text: str) -> ApiToken | None:
        """The live token that ``text`` is, or None."""
        head, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        if head != _HEAD or not secret:
            return None
        token = (
            self.select_related("user")
            .filter(prefix=prefix, revoked__isnull=True, user__is_active=True)
            .first()
        )
        # Hash and compare even where no row was found, so that the time says nothing.
        matches = hmac.compare_digest(token.key_hash if token else "", _key_hash(secret))
        return token if token is not None and matches else None


class ApiToken(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, unique=True)
    key_hash = models.CharField(max_length=64)
    scopes: models.JSONField[Any, list[str]] = models.JSONField(default=all_scopes)
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)

    objects = ApiTokenManager()

    class Meta:
        ordering = ["-created"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{_HEAD}_{self.prefix} ({self.name})"

    def allows(self, scope: Scope) -> bool:
        return scope.value in self.scopes

    def touch(self) -> None:
        """Note the use, at most once a minute: a read must not become a write each time."""
        now = timezone.now()
        if self.last_used is None or (now - self.last_used).total_seconds() > 60:
            ApiToken.objects.filter(pk=self.pk).update(last_used=now)

    def revoke(self) -> bool:
        """Make it worthless; whether it was live until now."""
        live = ApiToken.objects.filter(pk=self.pk, revoked__isnull=True)
        return live.update(revoked=timezone.now()) == 1


class ConfirmedAddress(models.Model):
    """The mail address that the account's owner confirmed last. It counts only as long as the
    account still has it."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="confirmed_address"
    )
    address = models.EmailField()
    confirmed = models.DateTimeField()

    def __str__(self) -> str:
        return self.address


def _limit(what: str) -> models.PositiveIntegerField:
    help_text = f"{what}; empty: the site's own limit, 0: no limit"
    return models.PositiveIntegerField(null=True, blank=True, help_text=help_text)


class Allowance(models.Model):
    """What an administrator allows one user instead of the site's limits in the settings."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="allowance"
    )
    stored_mib = _limit("MiB of stored uploads")
    searches_at_once = _limit("searches going on at once")
    searches_a_day = _limit("searches started within 24 hours")
    device_s_a_day = _limit("seconds on devices within 24 hours")
    note = models.CharField(max_length=200, blank=True, help_text="why, for administrators")

    def __str__(self) -> str:
        return f"allowance of {self.user}"
