"""The job tables as pandas frames, and what they say about the last days. For workers only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from django.db.models import F, QuerySet

from webapp.analysis.tables import TABLES
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool.models import Device
from webapp.searches.models import Search

_JOBS = ["kind", "state", "queue", "created", "queued_at", "started", "ended", "device_s", "device"]
_STAGES = ["target", "stage", "title", "order", "seconds", "ended"]
_DEVICES = ["device", "slug", "name", "since"]


@dataclass(frozen=True)
class Frames:
    """What was read; each method returns one of the tables for the last ``days`` days.

    A window begins at midnight (UTC), ``days`` - 1 days before the day of ``now``.
    """

    now: datetime
    jobs: pd.DataFrame
    stage_times: pd.DataFrame
    pool: pd.DataFrame

    def searches(self, days: int) -> pd.DataFrame:
        """Searches by the day on which they were asked for and by the state they are in now."""
        asked = self.jobs[self.jobs["kind"] == Kind.SEARCH]
        day = asked["created"].dt.strftime("%Y-%m-%d")
        every = pd.date_range(start_of(self.now, days), periods=days).strftime("%Y-%m-%d")
        counts = pd.crosstab(day, asked["state"]) if len(asked) else pd.DataFrame()
        counts = counts.reindex(index=every, columns=State.values, fill_value=0)
        return counts.rename_axis(index="day", columns=None).reset_index()

    def devices(self, days: int) -> pd.DataFrame:
        """Per device: jobs that began, how many failed, and the share of the time it measured.

        A device that is younger than the window is judged by its own age.
        """
        start = start_of(self.now, days)
        rows = self.jobs[(self.jobs["kind"] == Kind.MEASURE) & (self.jobs["started"] >= start)]
        # Before device time was kept, a run's whole length is the nearest that is known.
        length = (rows["ended"] - rows["started"]).dt.total_seconds()
        rows = rows.assign(
            measuring_s=rows["device_s"].fillna(length).fillna(0.0),
            failed=rows["state"] == State.FAILED,
        )
        sums = rows.groupby("device").agg(
            jobs=("state", "size"), failed=("failed", "sum"), measuring_s=("measuring_s", "sum")
        )
        table = self.pool.join(sums, on="device").fillna({"jobs": 0, "failed": 0, "measuring_s": 0})
        since = table["since"].where(table["since"] > start, start)
        table["share"] = table["measuring_s"] / (self.now - since).dt.total_seconds()
        table["share"] = table["share"].clip(upper=1.0).round(4)
        table["measuring_s"] = table["measuring_s"].round(1)
        table = table.astype({"jobs": int, "failed": int}).drop(columns="device")
        return table.rename(columns={"slug": "device"})[list(TABLES["devices"])]

    def stages(self, days: int) -> pd.DataFrame:
        """Per target and stage: the median and 90th percentile of what finished stages took."""
        rows = self.stage_times[self.stage_times["ended"] >= start_of(self.now, days)]
        found = rows.groupby(["target", "stage"], sort=False).agg(
            title=("title", "last"),
            order=("order", "median"),
            searches=("seconds", "size"),
            median_s=("seconds", "median"),
            p90_s=("seconds", lambda seconds: seconds.quantile(0.9)),
        )
        found = found.reset_index().sort_values(["target", "order"])
        return found[list(TABLES["stages"])].round({"median_s": 1, "p90_s": 1})

    def queues(self, days: int) -> pd.DataFrame:
        """Per queue: how long its jobs waited before their latest run began."""
        rows = self.jobs[self.jobs["started"] >= start_of(self.now, days)]
        waits = (rows["started"] - rows["queued_at"]).dt.total_seconds()
        rows = rows.assign(wait=waits)[waits >= 0]  # negative: queued again, and not yet begun
        found = rows.groupby("queue").agg(
            jobs=("wait", "size"),
            median_s=("wait", "median"),
            p90_s=("wait", lambda wait: wait.quantile(0.9)),
            longest_s=("wait", "max"),
        )
        return found.reset_index().round(1)


def start_of(now: datetime, days: int) -> datetime:
    """The midnight (UTC) at which a window of ``days`` days begins."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days - 1)


def read(*, now: datetime, days: int) -> Frames:
    """Everything that the tables of the last ``days`` days need, in three queries."""
    start = start_of(now, days)
    recent = Job.objects.filter(created__gte=start) | Job.objects.filter(started__gte=start)
    jobs = _frame(recent.annotate(device=F("measurement__device")), _JOBS)
    for column in ("created", "queued_at", "started", "ended"):
        jobs[column] = pd.to_datetime(jobs[column], utc=True)
    for column in ("device", "device_s"):
        jobs[column] = jobs[column].astype("float64")
    devices = pd.DataFrame(
        [(d.pk, d.slug, str(d), d.created) for d in Device.objects.select_related("host")],
        columns=_DEVICES,
    )
    devices["device"] = devices["device"].astype("float64")
    devices["since"] = pd.to_datetime(devices["since"], utc=True)
    return Frames(now=now, jobs=jobs, stage_times=_stage_times(start), pool=devices)


def _frame(rows: QuerySet[Any], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows.order_by().values_list(*columns)), columns=columns)


def _stage_times(start: datetime) -> pd.DataFrame:
    ended = Search.objects.filter(job__ended__gte=start).order_by()
    rows = [
        (target, stage["name"], stage["title"], order, stage["seconds"], at)
        for target, stages, at in ended.values_list("target", "stages", "job__ended").iterator()
        for order, stage in enumerate(stages)
        if stage["seconds"] is not None
    ]
    frame = pd.DataFrame(rows, columns=_STAGES)
    frame["ended"] = pd.to_datetime(frame["ended"], utc=True)
    return frame.astype({"seconds": "float64", "order": "float64"})
