"""Rate limits of requests, by the address that they come from."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from webapp.rates import Allowance, address, spend

__all__ = ["Allowance", "address", "of_api", "of_page"]

_SAFE = {"GET", "HEAD", "OPTIONS"}
# What takes or mails a secret: in the API, and among the forms.
_SECRET_CALLS = (
    "/api/v1/tokens",
    "/api/v1/users",
    "/api/v1/users/email-confirmations",
    "/api/v1/users/forgotten-password",
    "/api/v1/users/new-password",
)
_SECRET_FORMS = (
    "/accounts/login/",
    "/accounts/sign-up/",
    "/accounts/forgotten/",
    "/accounts/email/",
    "/accounts/email/send/",
    "/admin/login/",
)


def of_api(request: HttpRequest) -> Allowance | None:
    """Spend one request of the API; None where nothing can be counted (Redis is away)."""
    if request.path in _SECRET_CALLS and request.method == "POST":
        return spend("sign-in", settings.RATE_SIGN_IN, address(request))
    if request.method in _SAFE:
        return spend("read", settings.RATE_READS, address(request))
    return spend("write", settings.RATE_WRITES, address(request))


def of_page(request: HttpRequest) -> Allowance | None:
    """Spend one form of a page; looking at pages is not counted."""
    if request.method in _SAFE:
        return None
    if request.path in _SECRET_FORMS:
        return spend("sign-in", settings.RATE_SIGN_IN, address(request))
    return spend("write", settings.RATE_WRITES, address(request))
