"""Killed workers: the job runs again, elsewhere, and in the end says what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.conftest import ROOT
from tests.webapp.conftest import wait_until
from tests.webapp.jobs import kinds
from webapp.jobs import processes, services, sightings
from webapp.jobs.choices import Fault, Kind, State
from webapp.jobs.context import JobContext
from webapp.jobs.handlers import HANDLERS
from webapp.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, Kind.VALIDATE_MODEL, kinds.handler(kinds.slow))


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts a worker process whose jobs run ``kinds.slow``."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.webapp.jobs.slow_worker", "validate"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def create(folder: Path, *, limit_s: int = 600, max_attempts: int = 3) -> Job:
    return services.create(
        kind=Kind.VALIDATE_MODEL,
        queue="validate",
        payload={"folder": str(folder)},
        limit_s=limit_s,
        max_attempts=max_attempts,
    )


def worker_of(job: Job, *, claim: int) -> str:
    """The work horse of the run number ``claim``, once it runs."""
    file = Path(job.payload["folder"]) / f"run-{claim}"
    wait_until(lambda: file.exists() and file.read_text())
    return file.read_text()


def pid_of(worker: str) -> int:
    return int(worker.split(":")[1])


def test_a_killed_work_horse_is_replaced(tmp_path: Path, start: Start) -> None:
    job = create(tmp_path)
    start()
    first = worker_of(job, claim=1)
    assert services.sweep() == 0  # alive: left alone
    os.kill(pid_of(first), signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(first))
    assert services.sweep() == 1
    (tmp_path / "hurry").touch()
    wait_until(lambda: Job.objects.get(pk=job.pk).state == State.FINISHED)
    job.refresh_from_db()
    assert (job.attempt, job.claim) == (2, 3)  # the recovery takes a claim of its own


def test_a_killed_worker_takes_its_work_horse_along(tmp_path: Path, start: Start) -> None:
    job = create(tmp_path)
    worker = start()
    horse = worker_of(job, claim=1)
    worker.kill()
    worker.wait()
    wait_until(lambda: not processes.is_alive(horse))
    services.sweep()
    (tmp_path / "hurry").touch()
    start()
    wait_until(lambda: Job.objects.get(pk=job.pk).state == State.FINISHED)


def test_after_the_last_attempt_the_job_says_so(tmp_path: Path, start: Start) -> None:
    job = create(tmp_path, max_attempts=1)
    start()
    horse = worker_of(job, claim=1)
    os.kill(pid_of(horse), signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(horse))
    services.sweep()
    job.refresh_from_db()
    assert (job.state, job.fault) == (State.FAILED, Fault.OURS)
    assert job.reason == "its worker died in attempt 1 of 1"


def test_a_silent_worker_elsewhere_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeats are seen to stand still: what its clock says decides nothing."""
    monkeypatch.setattr(services, "SILENCE", timedelta(seconds=0.5))
    job = create(tmp_path)
    assert Job.objects.claim(job.pk, worker="another-host:17:1") is not None
    for hours in (-3, 2, -9):  # a clock that is wrong and is set, but a worker that lives
        beat = timezone.now() + timedelta(hours=hours)
        Job.objects.filter(pk=job.pk).update(heartbeat=beat, started=beat)
        time.sleep(0.3)
        assert services.sweep() == 0
    time.sleep(0.6)
    assert services.sweep() == 1
    assert Job.objects.get(pk=job.pk).state == State.QUEUED


def test_who_was_blind_itself_gives_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that was away kept the agent from looking as it kept the worker from writing."""
    monkeypatch.setattr(services, "SILENCE", timedelta(seconds=0.2))
    monkeypatch.setattr(sightings, "_BLIND_S", 1.0)
    job = create(tmp_path)
    assert Job.objects.claim(job.pk, worker="another-host:17:1") is not None
    for pause, given_up in ((0.0, 0), (1.1, 0), (0.3, 1)):
        time.sleep(pause)
        assert services.sweep() == given_up


def test_a_stopped_process_is_ended_and_its_job_runs_again(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LONG_SILENCE", timedelta(seconds=0.5))
    job = create(tmp_path)
    start()
    horse = worker_of(job, claim=1)
    os.kill(pid_of(horse), signal.SIGSTOP)
    wait_until(lambda: services.sweep() == 1)
    wait_until(lambda: not processes.is_alive(horse))  # it would have held the host's lock
    assert "hung for" in Job.objects.get(pk=job.pk).message
    (tmp_path / "hurry").touch()
    wait_until(lambda: Job.objects.get(pk=job.pk).state == State.FINISHED)


def test_a_job_past_its_limit_is_ended(tmp_path: Path) -> None:
    job = create(tmp_path, limit_s=5)
    assert Job.objects.claim(job.pk, worker=processes.this_process()) is not None
    Job.objects.filter(pk=job.pk).update(started=timezone.now() - timedelta(minutes=5))
    services.sweep()
    job.refresh_from_db()
    assert (job.state, job.reason) == (State.FAILED, "ran past its limit of 5 s")


def test_a_clock_that_is_set_makes_no_job_older(tmp_path: Path) -> None:
    """Its start moves with its heartbeats."""
    job = create(tmp_path, limit_s=5)
    claimed = Job.objects.claim(job.pk, worker=processes.this_process())
    assert claimed is not None
    long_ago = timezone.now() - timedelta(days=1)
    Job.objects.filter(pk=job.pk).update(started=long_ago, heartbeat=long_ago)  # then it is set
    with JobContext(claimed):
        wait_until(lambda: Job.objects.get(pk=job.pk).heartbeat != long_ago)
        assert services.sweep() == 0
    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert job.started is not None
    assert timezone.now() - job.started < timedelta(seconds=30)


def test_a_process_with_the_same_number_is_another_process() -> None:
    me = processes.this_process()
    assert processes.is_alive(me)
    host, pid, start = me.split(":")
    assert not processes.is_alive(f"{host}:{pid}:{int(start) - 100}")
    assert not processes.is_alive(f"{host}:{2**22}:{start}")  # above every process number


def test_a_stop_on_purpose_counts_as_no_attempt(tmp_path: Path, start: Start) -> None:
    job = create(tmp_path, max_attempts=1)
    worker = start()
    horse = worker_of(job, claim=1)
    worker.kill()
    worker.wait()
    wait_until(lambda: not processes.is_alive(horse))
    assert services.resume_later() == 1
    job.refresh_from_db()
    assert (job.state, job.attempt, job.message) == (State.QUEUED, 1, "its worker was stopped")
    assert services.resume_later() == 0
