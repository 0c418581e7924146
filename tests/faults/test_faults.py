"""Parts of a running site die or run out of room: every search ends, nothing is lost or doubled."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from tests.faults.conftest import CPU, Site
from tests.faults.whole import nothing_lost

pytestmark = pytest.mark.slow

SMALL = 3 * 2**20  # bytes: room for the database, none for an exported model


def strike(site: Site, search: str, kind: str) -> int:
    """The process of the running job of that kind, as soon as the search has one."""

    def running() -> list[tuple[int, int]]:
        assert site.state(search)[0] in {"queued", "running", "waiting"}, site.jobs()
        return site.running(kind)

    ((_, process), *_) = site.until(running)
    found: int = process
    return found


def test_redis_is_killed_and_comes_back_empty(site: Site) -> None:
    with site.redis() as client:
        client.set("left", "behind")
    search = site.ask(seed=1)
    strike(site, search, "measure")
    site.stack.kill("redis")
    # The database owns the truth: a user sees how far it is, and may ask for more.
    assert site.script.request(_request_of(site, search))["searches"]
    other = site.ask(seed=2)
    site.stack.revive("redis")
    with site.redis() as client:
        site.until(lambda: _answers(client))
        assert client.get("left") is None
    # What was asked for meanwhile is not forgotten: a worker takes it.
    site.until(lambda: site.state(other)[0] in {"running", "waiting"})
    site.script.cancel(_request_of(site, other))
    assert site.end_of(other) == ("cancelled", "cancelled by its owner")
    assert site.end_of(search) == ("finished", "")
    nothing_lost(site, search)


def test_redis_is_killed_and_comes_back_with_all_it_had(site: Site) -> None:
    """From its append-only file: what it remembers meets what was queued anew meanwhile."""
    with site.redis() as client:
        client.set("left", "behind")
        client.config_set("appendfsync", "always")
        client.config_set("appendonly", "yes")
        site.until(lambda: client.info("persistence")["aof_enabled"] == 1)
        site.until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        search = site.ask(seed=6)
        strike(site, search, "measure")
        other = site.ask(seed=7)
        site.stack.kill("redis")
        site.stack.revive("redis", "--appendonly", "yes")
        site.until(lambda: _answers(client))
        assert client.get("left") == b"behind"
        for one in (search, other):
            assert site.end_of(one) == ("finished", "")
    for one in (search, other):
        nothing_lost(site, one)


def test_the_device_worker_is_killed(site: Site) -> None:
    """In the middle of a measurement, while it holds the lease of its host."""
    search = site.ask(seed=3, target=CPU)
    horse = psutil.Process(strike(site, search, "measure"))
    site.until(lambda: site.rows("SELECT 1 FROM pool_host WHERE leased_by_id IS NOT NULL"))
    worker = horse.parent()
    assert worker is not None
    family = [horse, *horse.children(recursive=True)]
    worker.kill()
    assert site.end_of(search) == ("finished", "")
    # Nobody goes on working for a worker that is gone.
    site.until(lambda: not any(_alive(process) for process in family), seconds=20)
    nothing_lost(site, search)


def test_the_agent_is_killed_and_started_again(site: Site) -> None:
    search = site.ask(seed=4)
    horse = strike(site, search, "search")
    site.stack.kill("agent")
    site.until(lambda: not psutil.pid_exists(horse) or not _alive(psutil.Process(horse)))
    site.stack.revive("agent")
    assert site.end_of(search) == ("finished", "")
    nothing_lost(site, search)


def test_the_storage_is_full(site: Site) -> None:
    """No file may grow beyond a few MiB: what a quota does, without being root."""
    site.until(lambda: site.workers_of("search"))
    for worker in site.workers_of("search"):
        worker.rlimit(psutil.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))
    search = site.ask(seed=5)
    state, reason = site.end_of(search)
    assert (state, reason) == (
        "failed",
        "the storage of the site is full; try again when there is room",
    )
    ((fault,),) = site.rows(
        "SELECT fault FROM jobs_job j JOIN searches_search s ON s.job_id = j.id WHERE s.id = ?",
        search,
    )
    assert fault == "ours"
    nothing_lost(site, search)
    # Room again: it goes on where it was.
    for worker in site.workers_of("search"):
        worker.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    site.retry(_request_of(site, search))
    site.until(lambda: site.state(search)[0] != "failed")
    assert site.end_of(search) == ("finished", "")
    nothing_lost(site, search)


def test_one_id_finds_the_whole_story_in_the_logs(site: Site) -> None:
    """The line of the web process that made it, of the workers that ran it, of who recovered it."""
    ((search,),) = site.rows(
        "SELECT s.id FROM searches_search s JOIN jobs_job j ON j.id = s.job_id"
        " WHERE j.state = 'finished' ORDER BY j.id LIMIT 1"
    )
    logs = {
        "web": [site.stack.logs / "web.log"],
        "agents": sorted(site.stack.logs.glob("*agent.log")),  # other tests start a second one
    }
    about = {
        name: [
            line["message"]
            for path in paths
            for line in _lines(path)
            if line.get("search") == search
        ]
        for name, paths in logs.items()
    }
    assert any("(search) made" in text for text in about["web"])
    for part in ("(search) starts", "(measure) made", "(measure) starts", "(search) finished"):
        assert any(part in text for text in about["agents"]), about["agents"]


def _lines(path: Path) -> list[dict[str, Any]]:
    """Every line: each must be JSON."""
    parse: Callable[[str], dict[str, Any]] = json.loads
    return [parse(line) for line in path.read_text().splitlines()]


def _request_of(site: Site, search: str) -> str:
    ((request,),) = site.rows("SELECT request_id FROM searches_search WHERE id = ?", search)
    return str(request)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:  # also while it still reads its file
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
