"""Two agents race for one host."""

from __future__ import annotations

import psutil
import pytest

from tests.faults.conftest import CPU, Site, second_agent
from tests.faults.whole import nothing_lost

pytestmark = pytest.mark.slow

DEVICE = "device-local-cpu"
AT_WORK = (
    "SELECT j.id, j.attempt FROM jobs_job j JOIN searches_measurement m ON m.job_id = j.id"
    " WHERE m.search_id IN (?, ?)"
)


def test_one_measures_while_the_other_waits(site: Site) -> None:
    """Twice the workers on each device, and a measurement that dies under the eyes of both."""
    with second_agent(site, queues="search") as agent, site.held():
        site.until(lambda: len(agent.children()) == 3)  # search, CPU and NPU
        both = [worker for worker in site.workers(agent) if DEVICE in worker.cmdline()]
        for worker in both:
            worker.suspend()  # a search in the making would wait for the measurement of another
        searches = [site.ask(seed=seed, target=CPU) for seed in (31, 32)]
        site.until(lambda: len(site.rows(AT_WORK, *searches)) == 2)
        for worker in both:
            worker.resume()
        site.until(lambda: len(site.running("measure")) == 2)
        ((holder,),) = site.until(
            lambda: site.rows("SELECT leased_by_id FROM pool_host WHERE leased_by_id IS NOT NULL")
        )
        processes = dict(site.running("measure"))
        (other,) = processes.keys() - {holder}
        site.until(lambda: f"leased by job {holder}" in site.why(other))
        site.until(site.witnesses)
        assert site.witnesses() == ["alone"]
        psutil.Process(processes[holder]).kill()
        for search in searches:
            assert site.end_of(search) == ("finished", "")
        for search in searches:
            nothing_lost(site, search)
    rows = site.rows(AT_WORK, *searches)
    # Both saw it die, and it was queued again once.
    assert {job: attempt for job, attempt in rows if attempt > 1} == {holder: 2}
    assert site.witnesses() == ["alone"] * len(site.witnesses())
    assert len(site.witnesses()) > len(rows) >= 4
