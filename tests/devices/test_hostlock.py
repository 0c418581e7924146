from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices import hostlock

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    return tmp_path


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts Python code in another process; its lines on stdout say how far it is."""
    started: list[subprocess.Popen[str]] = []

    def start_one(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", "from devices.hostlock import *\n" + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


MEASURE = """
    with measuring():
        print("measuring", flush=True)
        input()
    print("done", flush=True)
"""
TRAIN = """
    with yielding():
        print("training", flush=True)
        while True:
            input()
            print("paused" if pause_point() > 0 else "free", flush=True)
"""


class _GaveUp(Exception):
    pass


def _give_up_after(seconds: float) -> Callable[[], None]:
    start = time.monotonic()

    def check() -> None:
        if time.monotonic() - start > seconds:
            raise _GaveUp

    return check


def _is_taken() -> bool:
    try:
        with hostlock.measuring(while_waiting=_give_up_after(0.3)):
            return False
    except _GaveUp:
        return True


def test_one_measurement_at_a_time(start: Callable[[str], subprocess.Popen[str]]) -> None:
    first = start(MEASURE)
    assert _line(first) == "measuring"
    assert _is_taken()
    _go(first)
    assert _line(first) == "done"
    assert not _is_taken()


def test_a_killed_measurement_frees_the_host(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    first = start(MEASURE)
    assert _line(first) == "measuring"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not _is_taken()


def test_a_pause_point_is_free_when_nobody_measures(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    trainer, other = start(TRAIN), start(TRAIN)
    for process in (trainer, other):  # trainings share the host
        assert _line(process) == "training"
        _go(process)
        assert _line(process) == "free"


def test_a_training_pauses_between_batches_until_the_measurement_is_over(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    trainer = start(TRAIN)
    assert _line(trainer) == "training"
    measurement = start(MEASURE)  # waits for the batch
    time.sleep(0.3)
    _go(trainer)
    assert _line(measurement) == "measuring"
    _go(measurement)
    assert _line(measurement) == "done"
    assert _line(trainer) == "paused"
    _go(trainer)
    assert _line(trainer) == "free"


def test_a_measurement_waits_for_the_batch(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    trainer = start(TRAIN)
    assert _line(trainer) == "training"
    assert _is_taken()
    trainer.kill()
    trainer.wait()
    assert not _is_taken()


def test_a_training_starts_after_the_measurement(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    measurement = start(MEASURE)
    assert _line(measurement) == "measuring"
    with pytest.raises(_GaveUp):
        with hostlock.yielding(while_waiting=_give_up_after(0.3)):
            pytest.fail("it trains beside a measurement")
    _go(measurement)
    with hostlock.yielding():
        assert hostlock.pause_point() == 0.0


def test_outside_a_training_a_pause_point_waits_too(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    assert hostlock.pause_point() == 0.0
    measurement = start(MEASURE)
    assert _line(measurement) == "measuring"
    with pytest.raises(_GaveUp):
        hostlock.pause_point(while_waiting=_give_up_after(0.3))
    _go(measurement)
    assert hostlock.pause_point() >= 0.0


def test_who_trains_can_measure_in_between() -> None:
    with hostlock.yielding():
        with hostlock.measuring():
            pass
        assert _is_taken() is False  # gives its own share up for it
        with pytest.raises(RuntimeError, match="one a thread"), hostlock.yielding():
            pass


def test_giving_up_a_wait_leaves_nothing_locked(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    trainer = start(TRAIN)
    assert _line(trainer) == "training"
    with pytest.raises(_GaveUp):
        with hostlock.measuring(while_waiting=_give_up_after(0.3)):
            pytest.fail("it measures beside a batch")
    _go(trainer)
    assert _line(trainer) == "free"
