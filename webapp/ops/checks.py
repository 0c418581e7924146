"""What ``manage.py check --deploy`` says of settings that only a public site must have."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

_HERE = {"localhost", "127.0.0.1", "::1"}


@register(Tags.security, deploy=True)
def open_sign_up(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Strangers may upload: somebody must have weighed that."""
    if not settings.SIGN_UP:
        return []
    return [
        Warning(
            "Anybody may sign up, and uploads are read without a container: by a confined process "
            "on the workers' machine.",
            hint="Read docs/THREAT_MODEL.md; then silence this check, or unset ACTNAS_SIGN_UP.",
            id="actnas.W001",
        )
    ]


@register(Tags.security, deploy=True)
def guarded_redis(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """RQ's messages are pickles: who can write to its Redis can run code in a worker."""
    url = urlsplit(settings.REDIS_URL)
    if url.scheme == "unix" or url.hostname in _HERE or url.password:
        return []
    return [
        Warning(
            f"Redis at {url.hostname} is asked without a password; who reaches it can run code.",
            hint="Give Redis a password and put it into ACTNAS_REDIS_URL.",
            id="actnas.W002",
        )
    ]
