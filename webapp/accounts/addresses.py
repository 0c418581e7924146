"""Mail addresses: confirmed by a link that only who reads the mail can open."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from webapp.accounts.models import ConfirmedAddress

log = logging.getLogger(__name__)

VALID_S = 3 * 24 * 3600
_SALT = "actnas.mail-address"


def is_confirmed(user: User) -> bool:
    """Whether somebody opened a link that was sent to the address which the account has now."""
    known = ConfirmedAddress.objects.filter(user=user).first()
    return known is not None and known.address == user.email


def token(user: User) -> str:
    """What the link carries: signed, so that nothing is stored; it is of this address only."""
    return signing.dumps([user.pk, user.email], salt=_SALT)


def send(user: User, *, site: str) -> bool:
    """Mail the link to the account's address; whether the mail server took it.

    ``site`` is the address of the site, ending in a slash.
    """
    link = site.rstrip("/") + reverse("accounts:confirm", args=[token(user)])
    try:
        send_mail(
            "Confirm your address on ActNAS Bench",
            render_to_string("accounts/confirm_mail.txt", {"user": user, "link": link}),
            None,
            [user.email],
        )
    except (SMTPException, OSError) as error:
        log.warning("the link that confirms an address was not sent: %s", error)
        return False
    return True


def owner_of(text: str) -> User | None:
    """The account whose present address the link confirms; None for anything else."""
    try:
        key, address = signing.loads(text, salt=_SALT, max_age=VALID_S)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return User.objects.filter(pk=key, email=address, is_active=True).first()


def confirm(user: User) -> None:
    """Note that the account's present address is read by somebody who wants it there."""
    ConfirmedAddress.objects.update_or_create(
        user=user, defaults={"address": user.email, "confirmed": timezone.now()}
    )
