"""``make demo`` as a user runs it: the whole way, and the ways in which it can end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.demo.test_stack import processes_of
from webapp.demo.checkpoint import sha256
from webapp.demo.plan import QUICK
from webapp.demo.summary import SCHEMA

ROOT = Path(__file__).resolve().parents[2]


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.demo", "--quick", "--out", str(out), *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_it_goes_the_whole_way_and_leaves_only_files(tmp_path: Path, abd_checkpoint: Path) -> None:
    out = tmp_path / "demo"
    process = start(out)
    stdout, stderr = process.communicate(timeout=1200)
    assert process.returncode == 0, stderr + stdout
    assert stderr == ""
    summary = json.loads((out / "summary.json").read_text())
    jsonschema.validate(summary, json.loads(SCHEMA.read_text()))
    assert set(summary["targets"]) == set(QUICK.targets)
    for target, found in summary["targets"].items():
        assert target in stdout
        assert {"uploaded", "reference"} <= {arm["name"] for arm in found["arms"]}
        assert found["verdict"]["sentence"] in " ".join(stdout.split())
        published = {arm["file_sha256"] for arm in found["arms"]}
        for folder in (out / "files" / target).glob("*"):  # one an entry
            assert published & {sha256(path) for path in folder.iterdir()}
    assert processes_of(out / "site") == []


def test_an_interrupt_stops_everything_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    process = start(out)
    assert process.stdout is not None
    line = process.stdout.readline()  # the site is up
    assert "http://127.0.0.1" in line
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr == "demo: interrupted\n"
    assert processes_of(out / "site") == []


def test_a_second_one_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    first = start(out)
    try:
        lock = out.with_name("demo.lock")
        deadline = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert lock.exists()
        second = start(out)
        _, stderr = second.communicate(timeout=120)
        assert second.returncode == 1
        assert stderr == f"demo: another demo is running in {out}\n"
    finally:
        os.kill(first.pid, signal.SIGTERM)
        first.communicate(timeout=120)
    assert first.returncode == 130
