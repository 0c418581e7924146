"""What RQ runs."""

from __future__ import annotations


def run(job_id: int) -> None:
    """Run one job; see :mod:`webapp.jobs.runner`."""
    from webapp.jobs.runner import execute

    execute(job_id)
