"""Signing in: tries are limited per account at every door, and the audit trail has them.

Doors are the page, the administration's page and ``POST /tokens``; all of them ask
:func:`django.contrib.auth.authenticate`, and so the backend below.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import HttpRequest

from webapp import rates
from webapp.audit.choices import Action
from webapp.audit.services import record, record_unknown
from webapp.errors import TooOften

_BUCKET = "wrong-password"


class LimitedBackend(ModelBackend):
    """Django's own, closed to an account for the rest of the minute after too many failures.

    Names that nobody has are limited alike, so that the limit does not tell which exist.
    """

    def authenticate(  # type: ignore[override]  # as Django's own ModelBackend narrows it
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> User | None:
        """The user, or None.

        Raises:
            TooOften: too many wrong passwords for this name.
        """
        spent = _spend(username or "", acts=0)
        if spent is not None and spent.remaining == 0:
            raise TooOften(
                f"too many wrong passwords for this account; wait {spent.reset_s} s",
                wait_s=spent.reset_s,
            )
        return super().authenticate(request, username=username, password=password, **more)


class SignInForm(AuthenticationForm):
    """Django's own; the limit of tries is an error of the form, with its seconds."""

    wait_s: int | None = None

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except TooOften as error:
            self.wait_s = error.wait_s
            sentence = str(error)
            raise forms.ValidationError(f"{sentence[0].upper()}{sentence[1:]}.") from None


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """For staff only."""


def succeeded(sender: object, request: HttpRequest | None, user: User, **more: Any) -> None:
    """Receiver of Django's user_logged_in."""
    record(by=user, action=Action.SIGNED_IN, what=user, detail=_from(request))


def failed(
    sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
) -> None:
    """Receiver of Django's user_login_failed."""
    name = str(credentials.get("username", ""))
    _spend(name, acts=1)
    user = User.objects.filter(username=name).first()
    if user is not None:
        record(by=user, action=Action.NOT_SIGNED_IN, what=user, detail=_from(request))
    else:  # what was typed may be a password in the wrong field: it is not kept
        record_unknown(action=Action.NOT_SIGNED_IN, kind="user", detail=_from(request))


def _spend(name: str, *, acts: int) -> rates.Allowance | None:
    return rates.spend(_BUCKET, settings.RATE_WRONG_PASSWORDS, name.casefold(), acts=acts)


def _from(request: HttpRequest | None) -> str:
    place = rates.address(request) if request is not None else ""
    return f"from {place}" if place else ""
