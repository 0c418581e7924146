"""The state of the site for Prometheus, counted by the database when it is asked.

Nothing is counted in processes: web processes and workers come and go, and what they would count is
in the database anyway.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from statistics import quantiles

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from webapp.jobs import beats, queues
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.ops.readiness import SHARED
from webapp.pool.choices import DeviceState, Health
from webapp.pool.models import Device
from webapp.searches.choices import StageState
from webapp.searches.models import Search

log = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST
_LATEST = 200  # finished searches whose stages are looked at
_QUANTILES = {0.5: 9, 0.9: 17, 0.95: 18}  # quantile -> its place among the 19 cuts into twentieths


class Site(Collector):
    """Everything that is reported; four queries, however many rows there are."""

    def collect(self) -> Iterator[Metric]:
        devices = list(Device.objects.select_related("host"))
        yield from _jobs([device.queue for device in devices if device.in_service])
        yield from _workers()
        yield from _devices(devices)
        yield _stages()
        yield _entries()


def text() -> bytes:
    """The page that Prometheus reads, in CONTENT_TYPE."""
    return bytes(generate_latest(Site()))


def _jobs(device_queues: list[str]) -> Iterator[Metric]:
    rows = Job.objects.order_by().values_list("kind", "state", "queue")
    counts = {(kind, state): 0 for kind in Kind.values for state in State.values}
    waiting = dict.fromkeys((*SHARED, *device_queues), 0)
    oldest: dict[str, datetime] = {}
    for kind, state, queue, count, since in rows.annotate(n=Count("pk"), since=Min("queued_at")):
        counts[kind, state] = counts.get((kind, state), 0) + count
        if state == State.QUEUED:
            waiting[queue] = waiting.get(queue, 0) + count
            oldest[queue] = min(since, oldest.get(queue, since))
    jobs = GaugeMetricFamily("actnas_jobs", "Jobs.", labels=["kind", "state"])
    for labels, count in counts.items():
        jobs.add_metric(labels, count)
    yield jobs
    length = GaugeMetricFamily("actnas_queue_jobs", "Jobs that wait in a queue.", labels=["queue"])
    age = GaugeMetricFamily(
        "actnas_queue_oldest_seconds",
        "How long the oldest waiting job of a queue has waited; 0: none waits.",
        labels=["queue"],
    )
    now = timezone.now()
    for queue, count in waiting.items():
        length.add_metric([queue], count)
        age.add_metric([queue], (now - oldest[queue]).total_seconds() if queue in oldest else 0)
    yield length
    yield age


def _workers() -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "actnas_queue_worker_age_seconds",
        "Since a worker of the queue last reported; every 15 s where all is well.",
        labels=["queue"],
    )
    up = GaugeMetricFamily("actnas_redis_up", "Whether Redis answers.")
    try:
        for queue, seconds in beats.ages(queues.connection()).items():
            age.add_metric([queue], seconds)
        up.add_metric([], 1)
    except RedisError as error:
        log.warning("metrics: Redis: %s", error)
        up.add_metric([], 0)
    yield up
    yield age


def _devices(devices: list[Device]) -> Iterator[Metric]:
    service = GaugeMetricFamily(
        "actnas_device_in_service", "Whether the device measures for searches.", labels=["device"]
    )
    state = GaugeMetricFamily(
        "actnas_device_state", "1 for the state that the device is in.", labels=["device", "state"]
    )
    health = GaugeMetricFamily(
        "actnas_device_health", "1 for the health that it has.", labels=["device", "health"]
    )
    agents = GaugeMetricFamily(
        "actnas_agent_age_seconds", "Since the agent of the host last reported.", labels=["host"]
    )
    for device in devices:
        service.add_metric([device.slug], device.in_service)
        for value in DeviceState.values:
            state.add_metric([device.slug, value], device.state == value)
        for value in Health.values:
            health.add_metric([device.slug, value], device.health == value)
    now = timezone.now()
    beat_of = {device.host.name: device.host.agent_heartbeat for device in devices}
    for host, beat in beat_of.items():
        if beat is not None:
            agents.add_metric([host], (now - beat).total_seconds())
    yield from (service, state, health, agents)


def _stages() -> Metric:
    """A summary without sum and count: those would have to grow for ever, and searches are deleted.

    Looking at the latest searches only costs the same on a site of ten years.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    latest = Search.objects.filter(job__state=State.FINISHED).order_by("-job__ended")
    for rows in latest.values_list("stages", flat=True)[:_LATEST]:
        for row in rows:
            if row["state"] == StageState.FINISHED and row["seconds"] is not None:
                seconds[row["name"]].append(row["seconds"])
    family = Metric(
        "actnas_stage_seconds", f"Seconds of a stage, in the latest {_LATEST} searches.", "summary"
    )
    for stage, values in seconds.items():
        cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else values * 19
        for quantile, index in _QUANTILES.items():
            labels = {"stage": stage, "quantile": str(quantile)}
            family.add_sample(family.name, labels, cuts[index])
    return family


def _entries() -> Metric:
    family = GaugeMetricFamily(
        "actnas_entries", "Entries on the public leaderboard.", labels=["target"]
    )
    rows = Entry.objects.listed().order_by().values_list("target")
    for target, count in rows.annotate(n=Count("pk")):
        family.add_metric([target], count)
    return family
