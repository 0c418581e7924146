"""The clock of a machine is set by hours, forward and back, under its agent and all its workers."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests import machine
from tests.faults.conftest import CPU, Site, second_agent
from tests.faults.whole import nothing_lost

pytestmark = [pytest.mark.slow, pytest.mark.faketime]

LIMIT_MIN = 60
NEAR = timedelta(minutes=2)


def test_nobody_is_thought_dead_and_nothing_overdue(site: Site) -> None:
    clock = site.stack.data / "clock"
    set_clock(clock, hours=0)
    variables = {
        "LD_PRELOAD": str(machine.libfaketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    site.stack.kill("agent")
    try:
        with second_agent(site, queues="search", **variables), site.held():
            search = site.ask(seed=33, target=CPU, time_limit_min=LIMIT_MIN)
            ((job, process), *_) = site.until(lambda: site.running("measure"))
            site.until(site.witnesses)
            for hours in (3, -2, 0):
                set_clock(clock, hours=hours)
                wait_for_reports(site, job, hours)
                assert site.running("measure") == [(job, process)]
                assert site.rows("SELECT leased_by_id FROM pool_host") == [(job,)]
            set_clock(clock, hours=3)  # and it stays: what ends now began three hours ago
            wait_for_reports(site, job, 3)
            site.let_go()
            assert site.end_of(search) == ("finished", "")
    finally:
        site.stack.revive("agent")
    runs = "SELECT max(attempt), max(claim) FROM jobs_job WHERE kind = 'measure' AND payload LIKE ?"
    assert site.rows(runs, f"%{search}%") == [(1, 1)]
    ((stages,),) = site.rows("SELECT stages FROM searches_search WHERE id = ?", search)
    assert all(0 <= stage["seconds"] < 60 * LIMIT_MIN for stage in json.loads(stages))
    nothing_lost(site, search)


def set_clock(path: Path, *, hours: int) -> None:
    part = path.with_suffix(".new")
    part.write_text(f"{3600 * hours:+d}\n")
    os.replace(part, path)


def wait_for_reports(site: Site, job: int, hours: int) -> None:
    """Until agent, worker and the host's holder have reported twice by a clock ``hours`` ahead: the
    agent has swept by that time in between."""
    for _ in range(2):
        was = _reports(site, job)
        site.until(partial(_all_moved, site, job, was, hours))


def _reports(site: Site, job: int) -> tuple[str, ...]:
    (row,) = site.rows(
        "SELECT h.agent_heartbeat, j.heartbeat, h.lease_heartbeat"
        " FROM jobs_job j, pool_host h WHERE j.id = ?",
        job,
    )
    return row


def _all_moved(site: Site, job: int, was: tuple[str, ...], hours: int) -> bool:
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)
    told = _reports(site, job)
    near = [abs(datetime.fromisoformat(text) - now) < NEAR for text in told]
    return all(near) and all(one != before for one, before in zip(told, was, strict=True))
