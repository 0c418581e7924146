"""RQ queues by name. Plain rq, because device queues come and go while the site runs."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from redis import Redis
from rq import Queue, Worker

from webapp.jobs.models import Job

VALIDATE = "validate"
SEARCH = "search"
TRAIN = "train"
DELIVER = "deliver"

_TASK = "webapp.jobs.tasks.run"
_NO_ALARM = -1  # of RQ: its message does not know which job its worker will take
_KEEP_FAILURE_S = 3600


@cache
def _connection(url: str) -> Redis:
    return Redis.from_url(url, socket_connect_timeout=5, health_check_interval=30)


def connection() -> Redis:
    """This process's connection pool to Redis."""
    return _connection(settings.REDIS_URL)


def get(name: str) -> Queue:
    return Queue(name, connection=connection())


def push(job: Job) -> None:
    """Send a message that the queue of ``job`` holds one more, under its current ``rq_id``.

    Raises:
        redis.exceptions.RedisError: Redis is away; the sweeper pushes again.
    """
    get(job.queue).enqueue(
        _TASK,
        job.pk,
        job_id=job.rq_id,
        job_timeout=_NO_ALARM,
        result_ttl=0,
        failure_ttl=_KEEP_FAILURE_S,
        description=str(job),
    )


def length(name: str) -> int:
    """How many messages queue ``name`` holds that no worker has taken yet."""
    return int(get(name).count)


def workers(name: str) -> int:
    """How many workers serve queue ``name``; one that died is counted for two minutes at most.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    # Not Worker.count: the registry that it counts forgets the dead late.
    return len(Worker.all(queue=get(name)))
