"""When a worker of each queue last went round its loop.

In Redis, because it is worth nothing once it is old: a Redis that lost everything has it again with
the next beat. Times are of Redis' own clock, so that machines need not agree on theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from redis import Redis

_KEY = "actnas-beats"  # a hash: queue -> Unix time in seconds
_UPLOADS = "actnas-uploads"  # a hash: host -> Unix time in seconds, why it cannot read uploads


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


def note(client: Redis, host: str, lacks: str) -> None:
    """Note why containers on the engine of ``host`` cannot read uploads now; "": they can.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    client.hset(_UPLOADS, host, f"{_now(client)} {lacks}")


def lacks(client: Redis, *, within_s: float) -> list[str]:
    """Why no host that said so lately can read uploads; [] if one can, or none said anything.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    now = _now(client)
    noted = cast("dict[bytes, bytes]", client.hgetall(_UPLOADS)).values()
    said = [line.decode().partition(" ") for line in noted]
    lately = [why for at, _, why in said if now - float(at) < within_s]
    return sorted(set(lately)) if all(lately) else []


def _now(client: Redis) -> float:
    seconds, micros = client.time()
    return seconds + micros / 1e6
