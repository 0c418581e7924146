"""Which code does which kind of job.

Names, not functions: the web process looks up jobs too and must not import what workers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from webapp.jobs.choices import Kind
from webapp.jobs.models import Job

if TYPE_CHECKING:
    from webapp.jobs.context import JobContext


@dataclass(frozen=True)
class Handler:
    """Dotted names of the functions of one kind.

    ``run(context)`` does the work in a worker. ``ended(job)`` is called in the transaction that
    gives the job its final state, by whoever gives it; without it there is nothing to record.
    """

    run: str
    ended: str | None = None

    def load_run(self) -> Callable[[JobContext], None]:
        return import_string(self.run)

    def call_ended(self, job: Job) -> None:
        if self.ended is not None:
            import_string(self.ended)(job)


HANDLERS: dict[str, Handler] = {
    Kind.VALIDATE_MODEL: Handler(
        run="webapp.catalog.tasks.validate_model", ended="webapp.catalog.services.model_job_ended"
    ),
    Kind.VALIDATE_DATA_SET: Handler(
        run="webapp.catalog.tasks.validate_data_set",
        ended="webapp.catalog.services.data_set_job_ended",
    ),
    Kind.SEARCH: Handler(
        run="webapp.searches.tasks.search",
        ended="webapp.searches.services.search_job_ended",
    ),
    Kind.TRAIN: Handler(run="webapp.searches.tasks.train"),
    Kind.MEASURE: Handler(run="webapp.searches.tasks.measure"),
    Kind.CHECK: Handler(run="webapp.pool.tasks.check", ended="webapp.pool.health.check_job_ended"),
    Kind.EXPORT: Handler(run="webapp.leaderboard.tasks.export"),
    Kind.ANALYSIS: Handler(run="webapp.analysis.tasks.analyse"),
    Kind.DELIVER: Handler(
        run="webapp.webhooks.tasks.deliver", ended="webapp.webhooks.services.delivery_job_ended"
    ),
}


def of(job: Job) -> Handler:
    """The handler of a job's kind."""
    return HANDLERS[job.kind]
