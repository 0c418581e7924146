"""How long heartbeats have stood still, as the looking process has seen it.

Heartbeats are times of day of many machines, and any clock may be wrong or be set. Whether one has
changed since it was last looked at needs no clock but our own, which only ever runs forward.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from webapp.jobs.models import Job

_BLIND_S = 10.0  # who did not look for so long has seen nothing stand still


class Sightings:
    """What one process saw of running jobs; :meth:`look` every few seconds."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[object, float]] = {}  # job -> heartbeat, since when
        self._looked = time.monotonic()

    def look(self, jobs: Iterable[Job]) -> dict[int, float]:
        """Seconds for which the heartbeat of each job has stood still; 0 for one that is new."""
        now = time.monotonic()
        known = self._since if now - self._looked < _BLIND_S else {}
        self._looked = now
        self._since = {job.pk: self._sighting(job, known.get(job.pk), now) for job in jobs}
        return {pk: now - since for pk, (_, since) in self._since.items()}

    @staticmethod
    def _sighting(job: Job, known: tuple[object, float] | None, now: float) -> tuple[object, float]:
        beat = (job.claim, job.heartbeat)
        return known if known is not None and known[0] == beat else (beat, now)
