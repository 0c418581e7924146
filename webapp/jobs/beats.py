"""When a worker of each queue last went round its loop.

In Redis, because it is worth nothing once it is old: a Redis that lost everything has it again with
the next beat. Times are of Redis' own clock, so that machines need not agree on theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from redis import Redis

_KEY = "actnas-beats"  # a hash: queue -> Unix time in seconds


def beat(client: Redis, queues: Iterable[str]) -> None:
    """Note that a worker serves ``queues`` now.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    now = _now(client)
    client.hset(_KEY, mapping=dict.fromkeys(queues, now))


def ages(client: Redis) -> dict[str, float]:
    """Seconds since the youngest beat of every queue that ever had a worker.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    now = _now(client)
    known = cast("dict[bytes, bytes]", client.hgetall(_KEY))
    return {name.decode(): max(0.0, now - float(at)) for name, at in known.items()}


def _now(client: Redis) -> float:
    seconds, micros = client.time()
    return seconds + micros / 1e6
