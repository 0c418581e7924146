"""What a device's page shows: its noise over time, its queue, and the best entries from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from devices.targets import TARGETS, Target
from webapp.jobs.choices import ALIVE
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.leaderboard.rows import arm_title
from webapp.pool.models import Device, NoiseCheck
from webapp.ui import svg
from webapp.ui.svg.drift import Check

_SHOWN = 60  # checks a chart
_FLOOR_OF = 20  # latest checks that make the noise floor
_BEST_RANK = 3
_MOST_ENTRIES = 60
_MOST_JOBS = 25


@dataclass(frozen=True)
class Noise:
    """The A/A checks of one target on the device, from old to new."""

    target: Target
    checks: list[NoiseCheck]

    @property
    def floor(self) -> float | None:
        """The largest |ratio - 1| of the latest checks; None without any."""
        return max((abs(check.ratio - 1) for check in self.checks[-_FLOOR_OF:]), default=None)

    @property
    def counted(self) -> int:
        """How many checks the floor counts."""
        return min(len(self.checks), _FLOOR_OF)

    @property
    def chart(self) -> SafeString | str:
        if not self.checks or self.floor is None:
            return ""
        rows = [Check(c.created, c.ratio, c.low, c.high) for c in self.checks]
        return svg.drift(rows, floor=self.floor)


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
