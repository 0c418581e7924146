"""Whether the site can do its work now: database, Redis, storage, a worker for every queue.

What is said is for everybody to read, so it names parts and ages, never an address, a path or the
text of an error: those are in the log.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError
from redis import Redis
from redis.exceptions import RedisError

from webapp.jobs import beats, queues
from webapp.pool.choices import Transport
from webapp.pool.models import Device

log = logging.getLogger(__name__)

CHECKS = ("database", "redis", "storage", "workers")
SHARED = (queues.VALIDATE, queues.SEARCH, queues.TRAIN, queues.DELIVER)
SILENCE_S = 60.0  # idle or busy, a worker reports every 15 s
_KEPT_S = 2  # everybody may ask, so asking often must cost nothing
_PATIENCE_S = 2.0
_BLOCK = b"\0" * 4096  # an empty file fits on a full disk


@dataclass(frozen=True)
class Readiness:
    """``reasons`` by check, one line each; ``queues`` is seconds since a worker reported, or None.

    The queues are the shared ones and those of devices in service.
    """

    reasons: dict[str, list[str]] = field(default_factory=dict)
    queues: dict[str, float | None] = field(default_factory=dict)

    def without(self, left_out: Collection[str]) -> list[str]:
        """Every reason not to be ready, but for the checks ``left_out``."""
        return [
            line for check, lines in self.reasons.items() if check not in left_out for line in lines
        ]


def judge() -> Readiness:
    """How it stands, at most two seconds old."""
    known: Readiness | None = cache.get(__name__)
    if known is None:
        known = _judge()
        cache.set(__name__, known, _KEPT_S)
    return known


def _judge() -> Readiness:
    reasons: dict[str, list[str]] = {}
    device_queues: list[str] = []
    try:
        reached = Device.objects.in_service().exclude(transport=Transport.BUNDLE)
        device_queues = [device.queue for device in reached]
    except DatabaseError as error:
        log.warning("readiness: the database: %s", error)
        reasons["database"] = ["database: does not answer"]
    ages: dict[str, float] = {}
    uploads: list[str] = []
    try:
        ages, uploads = _said_by_workers()
    except RedisError as error:
        log.warning("readiness: Redis: %s", error)
        reasons["redis"] = ["redis: does not answer"]
    else:
        if lines := _silent(ages, device_queues) + [f"uploads: {why}" for why in uploads]:
            reasons["workers"] = lines
    if not _storage_takes_files():
        reasons["storage"] = ["storage: cannot be written"]
    seen = {name: ages.get(name) for name in (*SHARED, *device_queues)}
    return Readiness(reasons, {n: a if a is None else round(a, 1) for n, a in seen.items()})


def _said_by_workers() -> tuple[dict[str, float], list[str]]:
    """Ages of queues, and why uploads cannot be read where that is for containers."""
    # Not the connection of the queues: that one waits as long as a worker may wait for a job.
    with Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S
    ) as client:
        return beats.ages(client), beats.lacks(client, within_s=SILENCE_S)


def _silent(ages: dict[str, float], device_queues: list[str]) -> list[str]:
    """The shared queues need a worker each, the devices one at all: one of many may be away."""
    lines = [line for name in SHARED if (line := _silence(name, ages.get(name)))]
    devices = [_silence(name, ages.get(name)) for name in device_queues]
    if devices and all(devices):
        lines += [line for line in devices if line]
    return lines


def _silence(queue: str, age: float | None) -> str | None:
    if age is None:
        return f"queue {queue}: no worker has reported"
    if age > SILENCE_S:
        return f"queue {queue}: no worker for {age:.0f} s"
    return None


def _storage_takes_files() -> bool:
    name = f"health/{secrets.token_hex(8)}"
    try:
        try:
            default_storage.save(name, ContentFile(_BLOCK))
        finally:
            default_storage.delete(name)
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
            file.write(_BLOCK)
    except Exception:  # every kind of storage has errors of its own
        with suppress(OSError):
            log.exception("readiness: the storage")
        return False
    return True
