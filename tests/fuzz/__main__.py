"""``python -m tests.fuzz [--seconds 60] [--runs N] [--seed 1] [DOOR ...]``: atheris at every door.

Each door has a process of its own and its share of the time. An input that a door fails on is kept
in var/fuzz, and the status is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["engine", "devices"]):
    from tests.fuzz import doors

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("doors", nargs="*", choices=[*doors.DOORS, []], default=[])
    parser.add_argument("--seconds", type=int, default=160, help="for all doors together")
    parser.add_argument("--runs", type=int, default=-1, help="inputs a door; without: by time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", choices=list(doors.DOORS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    kept = ROOT / "var" / "fuzz"
    if asked.one:
        _fuzz(asked.one, kept / asked.one, asked.seconds, asked.runs, asked.seed)
    chosen = asked.doors or list(doors.DOORS)
    share = max(1, asked.seconds // len(chosen))
    failed = []
    for door in chosen:
        options = ["--seconds", str(share), "--runs", str(asked.runs), "--seed", str(asked.seed)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", "--one", door, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith(("Done", "#"))]
        print(f"{door}: {lines[-1] if lines else 'nothing was tried'}", flush=True)
        if done.returncode:
            failed.append(door)
            print(done.stderr[-4000:], done.stdout[-4000:], sep="\n", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(door: str, kept: Path, seconds: int, runs: int, seed: int) -> None:
    """Does not return: libFuzzer ends the process."""
    by_time = runs < 0
    with tempfile.TemporaryDirectory() as fresh:
        # What a door was found to know is kept; a fixed number of inputs starts anew each time.
        corpus = kept / "corpus" if by_time else Path(fresh)
        corpus.mkdir(parents=True, exist_ok=True)
        kept.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(doors.seeds(door)):
            (corpus / f"seed-{number}").write_bytes(content)
        options = [f"-artifact_prefix={kept}/", f"-seed={seed}", "-max_len=20000"]
        options += ["-timeout=20", "-rss_limit_mb=4096"]
        options += [f"-max_total_time={seconds}" if by_time else f"-runs={runs}"]
        atheris.Setup(["fuzz", *options, str(corpus)], lambda content: doors.knock(door, content))
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
