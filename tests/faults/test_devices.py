"""Device processes that hang, run out of memory, or print and write garbage."""

from __future__ import annotations

import pytest

from tests.faults.conftest import NPU, STALL_S, Site
from tests.faults.whole import nothing_lost

pytestmark = pytest.mark.slow

ATTEMPTS = "SELECT max(attempt) FROM jobs_job WHERE kind = 'measure' AND payload LIKE ?"


def test_one_that_hangs_is_ended_and_the_measurement_made_again(site: Site) -> None:
    site.fall_ill("hang")
    search = site.ask(seed=21, target=NPU)
    ((job, _), *_) = site.until(lambda: site.running("measure"))
    site.until(lambda: "has done nothing for" in site.why(job), seconds=4 * STALL_S + 20)
    assert site.why(site.job_of(search)).startswith(f"waits for job {job}, measure, which runs")
    assert site.end_of(search) == ("finished", "")
    assert site.rows("SELECT attempt FROM jobs_job WHERE id = ?", job) == [(2,)]
    nothing_lost(site, search)


def test_one_that_lies_is_believed_the_third_time(site: Site) -> None:
    """The first two results are random bytes; the search gets the third, and that only."""
    site.fall_ill("lie", times=2)
    search = site.ask(seed=22)
    assert site.end_of(search) == ("finished", "")
    assert site.rows(ATTEMPTS, f"%{search}%") == [(3,)]
    nothing_lost(site, search)


def test_one_that_babbles_is_not_listened_to(site: Site) -> None:
    site.fall_ill("babble", times=9)
    search = site.ask(seed=23)
    assert site.end_of(search) == ("finished", "")
    assert site.rows(ATTEMPTS, f"%{search}%") == [(1,)]
    nothing_lost(site, search)


def test_one_without_memory_fails_the_search_for_a_reason(site: Site) -> None:
    """Every time: after three attempts the search says so, and may be asked for again."""
    site.fall_ill("starve", times=9)
    search = site.ask(seed=24)
    state, reason = site.end_of(search)
    assert (state, reason) == ("failed", "the device process ran out of memory")
    nothing_lost(site, search)
    site.sick.unlink()
    ((request,),) = site.rows("SELECT request_id FROM searches_search WHERE id = ?", search)
    site.retry(request)
    site.until(lambda: site.state(search)[0] != "failed")
    assert site.end_of(search) == ("finished", "")
    nothing_lost(site, search)
