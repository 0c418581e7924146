"""A search killed with kill -9 in each stage finishes when it is resumed, and repeats nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.result import Result
from engine.search import STAGES

pytestmark = pytest.mark.slow


def test_each_stage(abd_checkpoint: Path, molecules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "engine", "search", str(abd_checkpoint)),
        *("--target", "npu-ethos-u55-128-int8", "--data", str(molecules), "--imgsz", "96"),
        *("--activations", "relu,silu", "--epochs", "3", "--max-map-loss", "0.9"),
        *("--out", str(out), "--resume"),
    ]
    started: list[str] = []
    for stage in STAGES:
        seen = _run_until(command, stage)
        assert seen[-1] == stage, f"ended before {stage}: {seen}"
        # What an earlier process finished is not begun again; only the killed stage is.
        assert seen[:-1] == started[-1:], f"{seen} after {started}"
        started.append(stage)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    result = Result.read(out / "result.json")
    assert set(result.stages_s) == set(STAGES)
    assert {arm.name for arm in result.arms} >= {"uploaded", "reference", "mix"}
    assert not list((out / "stages").glob("*.begun"))


def _run_until(command: list[str], stage: str) -> list[str]:
    """Stages that the command begins, until it begins ``stage`` and is killed with its children."""
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    seen: list[str] = []
    assert process.stderr is not None
    try:
        for line in process.stderr:
            name, _, rest = line.partition(" ")
            if name in STAGES and rest.startswith("started"):
                seen.append(name)
                if name == stage:
                    return seen
        return seen
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
