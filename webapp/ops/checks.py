"""What ``manage.py check`` says of settings; with ``--deploy`` also of what a public site needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from devices.confinement import cpu_numbers
from devices.errors import BadRequest
from webapp.catalog import contained

_HERE = {"localhost", "127.0.0.1", "::1"}


@register(Tags.security, deploy=True)
def open_sign_up(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Strangers may upload: somebody must have weighed that."""
    if contained.configured() or not settings.SIGN_UP:
        return []
    return [
        Warning(
            "Anybody may sign up, and uploads are read without a container: by a confined process "
            "on the workers' machine.",
            hint="Set ACTNAS_VALIDATION_IMAGE (docs/operations.md) or unset ACTNAS_SIGN_UP; or "
            "read docs/THREAT_MODEL.md, then silence this check.",
            id="actnas.W001",
        )
    ]


@register(Tags.security)
def engine_for_uploads(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Its address and CPUs. Nothing is contacted: /readyz says whether it has the image."""
    if not contained.configured():
        return []
    try:
        contained.engine().check()
        cpu_numbers(settings.VALIDATION_CPUSET)
    except (BadRequest, ValueError) as error:
        return [Error(f"Uploads cannot be read in containers: {error}", id="actnas.E001")]
    return []


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
