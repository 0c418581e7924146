"""Counting by the minute in Redis, so that every web process counts the same."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import RedisError

from webapp.jobs import queues

log = logging.getLogger(__name__)

WINDOW_S = 60


@dataclass(frozen=True)
class Allowance:
    """``remaining`` of ``limit`` acts of the bucket until ``reset_s`` seconds from now."""

    bucket: str
    limit: int
    remaining: int
    reset_s: int
    exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the IETF draft that most clients know."""
        found = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }
        return found | ({"Retry-After": str(self.reset_s)} if self.exceeded else {})


def address(request: HttpRequest) -> str:
    """Where the request comes from; behind a proxy, what the proxy appended last."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.BEHIND_PROXY and forwarded:
        return forwarded.rpartition(",")[2].strip()
    return request.META.get("REMOTE_ADDR", "")


def spend(bucket: str, limit: int, who: str, *, acts: int = 1) -> Allowance | None:
    """Count one act of ``who`` (0 acts: only look); a limit of 0 means none.

    None where nothing can be counted. Windows are whole minutes: up to twice the limit may pass at
    a boundary, for one counter a bucket instead of a list of times.
    """
    if limit <= 0:
        return None
    now = int(time.time())
    name = hashlib.sha256(who.encode()).hexdigest()[:16]
    key = f"actnas-rate:{bucket}:{name}:{now // WINDOW_S}"
    try:
        pipe = queues.connection().pipeline()
        pipe.incrby(key, acts)
        pipe.expire(key, 2 * WINDOW_S)
        count = int(pipe.execute()[0])
    except RedisError as error:
        # A site that cannot count still answers: Redis being away is not the caller's fault.
        log.warning("requests are not counted: %s", error)
        return None
    return Allowance(
        bucket=bucket,
        limit=limit,
        remaining=max(0, limit - count),
        reset_s=WINDOW_S - now % WINDOW_S,
        exceeded=count > limit,
    )
