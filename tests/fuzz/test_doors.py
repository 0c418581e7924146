"""A short part of `make fuzz` that is the same each time, and the seeds of every door."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.fuzz import doors


@pytest.mark.parametrize("door", list(doors.DOORS))
def test_a_door_takes_its_seeds_and_their_halves(door: str) -> None:
    for content in doors.seeds(door):
        for cut in (0, 1, len(content) // 2, len(content) - 1, len(content)):
            doors.knock(door, content[:cut])


@pytest.mark.slow
def test_made_up_input_is_refused_or_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--runs", "1500"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    assert done.stdout.count("Done 1500 runs") == len(doors.DOORS), done.stdout
