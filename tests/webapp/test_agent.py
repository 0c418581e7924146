"""The agent, as a process: it follows the pool, restarts what dies, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from tests.conftest import ROOT
from tests.webapp.conftest import wait_until
from webapp.pool.models import Device, Host
from webapp.pool.services import ensure_local

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(environment: dict[str, str]) -> Iterator[psutil.Popen]:
    ensure_local(host_name="here", cpu_model="Test CPU")
    for device in Device.objects.all():  # checked just now, so that no check is due
        device.health_checks.create(cause="registration", ended=timezone.now())
    command = [sys.executable, "manage.py", "agent", "--host", "here", "--queues", ""]
    process = psutil.Popen(command, cwd=ROOT, env=environment)
    yield process
    for child in [*process.children(recursive=True), process] if process.is_running() else []:
        child.kill()
    process.wait()


def served(agent: psutil.Popen) -> dict[str, int]:
    """Last queue and process of every worker that runs."""
    found = {}
    for child in agent.children():
        with suppress(psutil.NoSuchProcess):  # a zombie, or gone while we look
            line = child.cmdline()
            if "worker" in line:
                found[line[line.index("--parent") - 1]] = child.pid
    return found


def alive(process: psutil.Process) -> bool:
    """Orphans stay zombies where process 1 does not collect them: those are dead, too."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


CPU, NPU = "device-here-cpu", "device-here-ethos-u"
FOLLOWS_S = 10  # the most that a change in the administration takes


def test_it_follows_the_pool_and_restarts_the_dead(agent: psutil.Popen) -> None:
    wait_until(lambda: set(served(agent)) == {CPU, NPU})
    wait_until(lambda: Host.objects.get().has_agent)

    for health, still in (("bad", {"check-here-ethos-u"}), ("retired", set())):
        Device.objects.filter(slug="here-ethos-u").update(health=health)
        expected = {CPU, *still}
        wait_until(lambda: set(served(agent)) == expected, seconds=FOLLOWS_S)  # noqa: B023
    Device.objects.filter(slug="here-ethos-u").update(health="good")
    wait_until(lambda: set(served(agent)) == {CPU, NPU}, seconds=FOLLOWS_S)

    before = served(agent)[CPU]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: served(agent).get(CPU, before) != before)

    workers = [psutil.Process(pid) for pid in served(agent).values()]
    agent.terminate()
    agent.wait(timeout=60)
    wait_until(lambda: not any(alive(worker) for worker in workers))


def test_it_may_leave_the_devices_to_another_and_shows_that_it_lives(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ensure_local(host_name="here", cpu_model="Test CPU")
    beat = tmp_path / "agent.beat"
    command = [sys.executable, "manage.py", "agent", "--host", "here"]
    command += ["--queues", "deliver", "--no-devices"]
    shown = {**environment, "ACTNAS_AGENT_BEAT": str(beat)}
    process = psutil.Popen(command, cwd=ROOT, env=shown)
    try:
        wait_until(lambda: set(served(process)) == {"deliver"}, seconds=30)
        wait_until(beat.exists, seconds=10)
        before = beat.stat().st_mtime_ns
        wait_until(lambda: beat.stat().st_mtime_ns > before, seconds=20)
        assert set(served(process)) == {"deliver"}
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_workers_end_when_their_agent_is_killed(agent: psutil.Popen) -> None:
    wait_until(lambda: set(served(agent)) == {CPU, NPU})
    workers = [psutil.Process(pid) for pid in served(agent).values()]
    agent.kill()
    agent.wait()
    wait_until(lambda: not any(alive(worker) for worker in workers))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "nowhere"], "no host 'nowhere' in the pool; known: here"),
        (["--host", "here", "--queues", "valdate"], "--queues: 'valdate'; accepted: validate"),
    ],
)
def test_it_says_what_it_cannot_serve(
    environment: dict[str, str], arguments: list[str], said: str
) -> None:
    ensure_local(host_name="here", cpu_model="Test CPU")
    done = subprocess.run(
        [sys.executable, "manage.py", "agent", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
