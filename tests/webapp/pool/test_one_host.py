"""One host measures one thing at a time, whoever asks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from devices import noise, reference, statistics, targets
from devices.transports import local
from tests.conftest import ROOT
from tests.webapp.conftest import wait_until
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.pool import health
from webapp.pool.choices import Cause
from webapp.pool.models import Device, Host

TARGET = "cpu-onnxruntime-fp32"


def devices_at_work(workers: list[psutil.Popen]) -> int:
    """Device processes below these workers that have begun, i.e. hold the host."""
    found = 0
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            for child in worker.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found += child.cmdline()[1:3] == ["-m", "devices"]
    return found


@contextmanager
def process(*command: str, env: dict[str, str] | None = None) -> Iterator[psutil.Popen]:
    one = psutil.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=subprocess.PIPE)
    try:
        yield one
    finally:
        for child in one.children(recursive=True) if one.is_running() else []:
            child.kill()
        one.kill()
        one.communicate()


@pytest.mark.django_db(transaction=True)
def test_racing_workers_never_measure_on_one_host_at_once(environment: dict[str, str]) -> None:
    host = Host.objects.create(name="here")
    for name in ("left", "right"):
        device = Device.objects.create(host=host, name=name, slug=name, targets=[TARGET])
        health.start_check(device, cause=Cause.ASKED)
    command = ("manage.py", "worker", "--burst")
    most = 0
    with (
        process(*command, "check-left", env=environment) as left,
        process(*command, "check-right", env=environment) as right,
    ):
        deadline = time.monotonic() + 120
        while Job.objects.alive().exists():
            assert time.monotonic() < deadline
            most = max(most, devices_at_work([left, right]))
            time.sleep(0.02)
    checks = Job.objects.filter(kind=Kind.CHECK)
    assert [job.state for job in checks] == [State.FINISHED] * 2
    assert most == 1


TRAIN = """
import sys, time
import numpy as np
from devices import hostlock
a = np.random.default_rng(0).random((400, 400), dtype=np.float32)
with hostlock.yielding():
    print("training", flush=True)
    while True:
        end = time.monotonic() + 0.05
        while time.monotonic() < end:  # a batch
            a = a @ a / 200
        hostlock.pause_point()
"""


def test_beside_a_training_a_model_is_as_fast_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    job = reference.job(targets.get(TARGET), folder=tmp_path, id="check-1")
    spent: list[float] = []

    with process("-c", TRAIN) as trainer:
        assert trainer.stdout.readline().strip() == b"training"

        def note(share: float, text: str) -> None:
            if text.startswith("block"):
                spent.append(sum(trainer.cpu_times()[:2]))

        result = noise.settled(
            lambda: local.run(job, timeout_s=120, progress=note),
            checks=[1 + health.NOISY_FLOOR] * statistics.ENOUGH_CHECKS,
            pause=time.sleep,
        )
        paused = spent[-1] - spent[0]
        wait_until(lambda: sum(trainer.cpu_times()[:2]) > spent[-1] + 0.2)  # it goes on
    assert len(spent) >= 6
    assert paused < 0.2  # of processor time, while the measurement took seconds
    assert result.noise is not None
    assert not result.noise.noisy
