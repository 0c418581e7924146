"""What must hold after every fault: :func:`nothing_lost` of a search, :func:`standstill` of all."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

if TYPE_CHECKING:
    from tests.faults.conftest import Site

FINAL = {"finished", "failed", "cancelled"}
OVERTIME_S = 90.0  # past its limit a job is ended from outside after a minute, by the next sweep
TIDY_S = (
    60.0  # a sweep comes every 3 s and looks at nothing younger than 5 s; a check may still run
)


def nothing_lost(site: Site, search: str) -> None:
    """The search has ended, in time and for a reason; nothing of it was lost, doubled or left."""
    state, reason = site.state(search)
    assert state in FINAL, (state, site.jobs())
    assert state == "finished" or reason
    _no_stage_ran_again(site, search)
    _no_measurement_is_lost_or_counted_twice(site, search)
    _every_job_ended_in_time(site)
    _our_faults_cost_nobody_anything(site)
    standstill(site)


def standstill(site: Site) -> None:
    """Nothing is left of what the site did: no job at work, no lease, no file, no process."""
    deadline = time.monotonic() + TIDY_S
    while left := [*_at_work(site), *_left(site), *_processes(site)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def _at_work(site: Site) -> list[str]:
    rows = site.rows("SELECT id, kind, state FROM jobs_job WHERE state IN ('running', 'waiting')")
    return [f"job {job}, {kind}: {state}" for job, kind, state in rows]


def _processes(site: Site) -> list[str]:
    """What still runs below workers, and devices that nobody waits for.

    A worker may keep one helper that checks uploads, warm for the next.
    """
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            command = process.info["cmdline"] or []
            if command[1:3] == ["-m", "devices"] and _is_ours(process, site):
                found.append(f"device process {process.pid}")
    for worker in site.workers():
        with suppress(psutil.Error):
            horses = [one for one in worker.children() if _is_horse(one, worker)]
            found += [f"work horse {one.pid} of {worker.cmdline()[3:5]}" for one in horses]
    return found


def _is_ours(process: psutil.Process, site: Site) -> bool:
    return process.environ().get("ACTNAS_VAR") == str(site.stack.data)


def _is_horse(process: psutil.Process, worker: psutil.Process) -> bool:
    """A fork, not a program of its own."""
    return process.status() != psutil.STATUS_ZOMBIE and process.cmdline() == worker.cmdline()


def _no_stage_ran_again(site: Site, search: str) -> None:
    again = {path.name: path.stat().st_mtime_ns for path in site.stages}
    assert again == {path.name: at for path, at in site.stages.items()}
    twice = site.rows(
        "SELECT stage, count(*) FROM searches_searchevent"
        " WHERE search_id = ? AND kind = 'finished' GROUP BY stage HAVING count(*) > 1",
        search,
    )
    assert twice == []


def _no_measurement_is_lost_or_counted_twice(site: Site, search: str) -> None:
    mine = "FROM searches_measurement m JOIN jobs_job j ON j.id = m.job_id WHERE m.search_id = ?"
    assert site.rows(f"SELECT m.hash {mine} GROUP BY m.hash HAVING count(*) > 1", search) == []
    assert (
        site.rows(f"SELECT j.id {mine} AND j.state = 'finished' AND m.result IS NULL", search) == []
    )
    if site.state(search)[0] == "finished":
        assert site.rows(f"SELECT j.id {mine} AND j.state <> 'finished'", search) == []
    for table, columns in (
        ("pool_noisecheck", "measurement_id, arm"),
        ("leaderboard_entry", "search_id, arm"),
    ):
        twice = f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1"
        assert site.rows(twice) == [], table


def _every_job_ended_in_time(site: Site) -> None:
    ended = "SELECT id, kind, started, ended, limit_s, reason, state FROM jobs_job WHERE"
    for job, kind, started, at, limit_s, reason, state in site.rows(f"{ended} ended IS NOT NULL"):
        assert state == "finished" or reason, (job, kind, state)
        if started is not None:
            assert (_time(at) - _time(started)).total_seconds() < limit_s + OVERTIME_S, (job, kind)


def _our_faults_cost_nobody_anything(site: Site) -> None:
    """What the user is told to have used is what ended by nobody's fault, or by his own."""
    answer = httpx.get(
        f"{site.stack.url}/api/v1/users/me/quotas",
        headers={"Authorization": f"Bearer {site.token}"},
        timeout=60,
    )
    used = {quota["name"]: quota["used"] for quota in answer.json()}
    ((fair,),) = site.rows(
        "SELECT count(*) FROM jobs_job WHERE kind = 'search' AND fault <> 'ours'"
    )
    ((seconds,),) = site.rows(
        "SELECT sum(device_s) FROM jobs_job WHERE kind = 'measure' AND fault <> 'ours'"
    )
    assert used["searches_a_day"] == fair
    assert used["device_s_a_day"] == round(seconds or 0)
    assert used["searches_at_once"] == 0


def _left(site: Site) -> list[str]:
    """Leases, locks, busy devices, temporary files."""
    leases = site.rows("SELECT name FROM pool_host WHERE leased_by_id IS NOT NULL")
    busy = site.rows("SELECT slug FROM pool_device WHERE state <> 'idle'")
    data = site.stack.data
    folders = (site.temporary, data / "uploads", data / "work", data / "artefacts")
    files = [
        str(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and (folder in folders[:2] or _is_temporary(path, folder))
    ]
    locks = [str(path) for path in site.locks.glob("*.lock") if _is_held(path)]
    return [*map(str, leases), *map(str, busy), *files, *locks]


def _is_temporary(path: Path, folder: Path) -> bool:
    names = path.relative_to(folder).parts
    return any(name.startswith(".") or name.endswith(".part") for name in names)


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
