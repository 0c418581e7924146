"""Forgotten passwords: a mailed link lets whoever reads the account's mail choose a new one."""

from __future__ import annotations

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest
from django.utils.http import urlsafe_base64_decode

MAIL = "accounts/forgotten_mail.txt"
SUBJECT = "accounts/forgotten_subject.txt"


def send_link(address: str, *, request: HttpRequest) -> None:
    """Mail the link to the accounts of this address; says nothing about whether there are any."""
    form = PasswordResetForm({"email": address})
    if form.is_valid():
        form.save(
            request=request,
            use_https=request.is_secure(),
            email_template_name=MAIL,
            subject_template_name=SUBJECT,
        )


def owner_of(uid: str, token: str) -> User | None:
    """The account whose password the link changes; None for anything else, and a used link."""
    try:
        user = User.objects.filter(pk=urlsafe_base64_decode(uid).decode(), is_active=True).first()
    except (ValueError, OverflowError):  # no base64, no text, or no number
        return None
    return user if default_token_generator.check_token(user, token) else None
