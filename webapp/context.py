"""What every template may use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """The source link of the footer, the CDN of the scripts, whether people may sign up."""
    return {
        "source_url": settings.SOURCE_URL,
        "cdn": settings.CDN,
        "sign_up_open": settings.SIGN_UP,
    }
