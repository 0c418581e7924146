"""What a device's page shows: health, noise over time, its queue, and the best entries from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from devices import statistics
from devices.targets import TARGETS, Target
from webapp.jobs.choices import ALIVE
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import arm_title
from webapp.pool.health import NOISY_DRIFT
from webapp.pool.models import Device, HealthChange, HealthCheck, NoiseCheck
from webapp.ui import svg
from webapp.ui.svg.drift import Check

_SHOWN = 60  # checks a chart
_CHANGES = 12  # of its health
_BEST_RANK = 3
_MOST_ENTRIES = 60
_MOST_JOBS = 25


@dataclass(frozen=True)
class Noise:
    """The A/A checks of one target on the device, from old to new."""

    target: Target
    checks: list[NoiseCheck]

    @property
    def reach(self) -> float | None:
        """The 95th percentile of |ratio - 1| over the latest of them; None without any."""
        latest = [check.ratio for check in self.checks[-statistics.FLOOR_OF :]]
        return statistics.noise_floor(latest) if latest else None

    @property
    def counted(self) -> int:
        """How many comparisons that counts."""
        return min(len(self.checks), statistics.FLOOR_OF)

    @property
    def chart(self) -> SafeString | str:
        if self.reach is None:
            return ""
        rows = [Check(c.created, c.ratio, c.low, c.high) for c in self.checks]
        return svg.drift(rows, band=self.reach)


@dataclass(frozen=True)
class Checked:
    """The health checks of a device that brought figures, from old to new."""

    checks: list[HealthCheck]

    @cached_property
    def ratios(self) -> list[float]:
        return [c.ratio for c in self.checks if c.ratio is not None]

    @property
    def floor(self) -> float | None:
        """The 95th percentile of |A/A ratio - 1| over the latest checks; None without any."""
        latest = self.ratios[-statistics.FLOOR_OF :]
        return statistics.noise_floor(latest) if latest else None

    @property
    def counted(self) -> int:
        """How many checks the floor counts."""
        return min(len(self.ratios), statistics.FLOOR_OF)

    @property
    def decides(self) -> bool:
        """Whether these are enough for the floor that holds in searches."""
        return self.counted >= statistics.ENOUGH_CHECKS

    @property
    def noise_chart(self) -> SafeString | str:
        if self.floor is None:
            return ""
        return svg.drift(
            [
                Check(c.created, c.ratio, c.low or c.ratio, c.high or c.ratio)
                for c in self.checks
                if c.ratio is not None
            ],
            band=self.floor,
        )

    @property
    def drift_chart(self) -> SafeString | str:
        """Latency against the history that each check had; "" while there is none."""
        moved = [(c.created, 1 + c.drift) for c in self.checks if c.drift is not None]
        rows = [Check(at, ratio, ratio, ratio) for at, ratio in moved]
        return (
            svg.drift(rows, band=NOISY_DRIFT, what="latencies over their history") if rows else ""
        )


@dataclass(frozen=True)
class History:
    """Everything about one device; each part is one query."""

    device: Device

    @cached_property
    def noise(self) -> list[Noise]:
        """Every target that the device offers, in the order of the table of targets."""
        rows: dict[str, list[NoiseCheck]] = {}
        offered = [target for target in TARGETS if target.id in self.device.targets]
        latest = self.device.noise_checks.order_by("-created", "-pk")
        for check in latest[: _SHOWN * max(1, len(offered))]:
            rows.setdefault(check.target, []).append(check)
        return [Noise(target, rows.get(target.id, [])[:_SHOWN][::-1]) for target in offered]

    @cached_property
    def health(self) -> Checked:
        """Its health checks; those that failed say so among the changes of its health."""
        rows = self.device.health_checks.filter(ratio__isnull=False)
        return Checked(list(rows.defer("provenance")[:_SHOWN])[::-1])

    @property
    def changes(self) -> QuerySet[HealthChange]:
        """The latest changes of its health, the newest first."""
        return self.device.health_changes.all()[:_CHANGES]

    @property
    def jobs(self) -> QuerySet[Job]:
        """What runs and waits on it, the next one first. Whose it is stays unsaid."""
        alive = Job.objects.filter(queue=self.device.queue, state__in=ALIVE)
        return alive.order_by("queued_at", "pk")[:_MOST_JOBS]

    @cached_property
    def best(self) -> list[tuple[Entry, str]]:
        """(entry, arm's title) of the best public entries that were measured on it."""
        rows = Entry.objects.listed().filter(search__device=self.device, rank__lte=_BEST_RANK)
        light = rows.select_related("data_set", "owner").defer("arms", "files", "assignment")
        found = light.order_by("target", "data_set_version", "rank", "ratio")[:_MOST_ENTRIES]
        return [(entry, arm_title(entry.arm)) for entry in found]
