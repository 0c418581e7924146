"""What the workers of the queues ``check-...`` do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.pool import health
from webapp.pool.models import HealthCheck

if TYPE_CHECKING:
    from webapp.jobs.context import JobContext


def check(context: JobContext) -> None:
    """Have a device measure the reference model against itself.

    Raises:
        devices.errors.DeviceError: it could not.
    """
    from devices import reference, targets
    from webapp.pool import measuring

    row = HealthCheck.objects.select_related("device__host").get(pk=context.job.payload["id"])
    with tempfile.TemporaryDirectory(prefix="actnas-check-") as folder:
        job = reference.job(
            targets.get(row.target), folder=Path(folder), id=f"check-{row.pk}", seed=row.pk
        )
        result = measuring.run(job, device=row.device, context=context)
    health.note(row, result)
