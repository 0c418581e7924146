"""``make bench-measurement``: adds the rows that are missing, on a machine with nothing else to do.

Every trial is kept as soon as it is measured, so that a run may be ended at any time, and the next
one goes on. ``--minutes N`` begins nothing that would end later; what says most comes first.
``--only pairs,spread`` adds rows of those kinds alone; ``--page`` measures nothing.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

import pandas as pd

from devices.errors import DeviceError
from tests.benchmarks.devices import testbed
from tests.benchmarks.measurement import numbers_of, trials
from tests.benchmarks.measurement.bed import IMGSZ, LARGER, LOADS, MODEL, TARGET, Bed
from tests.benchmarks.numbers import Number, table
from tests.benchmarks.rows import Rows

ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--only", default=",".join(trials.KINDS), metavar="A,B")
    parser.add_argument("--rows", type=Path, default=OUT / "rows" / "measurement")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the page")
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    options = parser.parse_args()
    wanted = set(options.only.split(","))
    if unknown := wanted - set(trials.KINDS):
        parser.error(f"unknown kind {min(unknown)!r}; known: {', '.join(trials.KINDS)}")
    rows = Rows(options.rows, packages=("onnxruntime", "numpy"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; what was measured is kept"))
    try:
        if not options.page:
            work = ROOT / "var" / "bench" / "measurement"
            bed, larger = (Bed(work, testbed.base(MODEL, px, work).file) for px in (IMGSZ, LARGER))
            add(rows, bed, larger, kinds=wanted, end=time.monotonic() + 60 * options.minutes)
    finally:
        found = numbers_of.numbers(rows)
        write(rows, found, options.out)
        print(table(found).to_string(index=False))


def add(rows: Rows, bed: Bed, larger: Bed, *, kinds: set[str], end: float) -> None:
    """Measure what is missing of ``kinds`` until ``end`` by the monotonic clock.

    A kind that this machine cannot measure now (no container engine, for one) is left out, which
    is said.
    """
    for nodes in (0, *trials.NODES.values(), *trials.LARGE.values()):
        for each in (bed, larger):
            each.file(nodes)  # made before the first trial, so that no trial's time holds it
    failed: set[str] = set()
    for trial in trials.trials(bed, larger):
        known = rows.find(trial.kind, trial.inputs) is not None
        if known or trial.kind not in kinds - failed:
            continue
        if time.monotonic() + trial.seconds > end:
            return
        named = f"{trial.kind} {' '.join(str(part) for part in trial.inputs['which'])}"
        began = time.monotonic()
        try:
            rows.add(trial.kind, trial.inputs, trial.make)
        except DeviceError as error:
            failed.add(trial.kind)
            print(f"{named}: {error}; no more of these now", file=sys.stderr, flush=True)
        else:
            print(f"{named}: {time.monotonic() - began:.0f} s", flush=True)


def write(rows: Rows, found: list[Number], folder: Path) -> None:
    """measurement.md and measurement.json in ``folder``, made of the rows and nothing else."""
    document = {
        "schema": "actnas.numbers/1",
        "numbers": [number.to_json() for number in found],
        "rows": {kind: rows.of(kind) for kind in trials.KINDS},
    }
    (folder / "measurement.json").write_text(json.dumps(document, indent=1) + "\n")
    parts = [
        "# Measurements, measured",
        f"Made by `make bench-measurement` from the rows in `measurement.json`: {MODEL} at {IMGSZ} "
        f"px on `{TARGET}` (spread_vs_plain: {LARGER} px), one lease a comparison. A run adds what "
        "is missing, and may be ended at any time. *idle*: nothing else of ours runs; *loaded*: "
        f"{LOADS} processes of the benchmark multiply matrices, a second on and a second off. An "
        "effect is made of nodes before the first layer that cost time and change nothing. "
        "*Different* and *detected* mean that the interval excludes 1 and the ratio is further "
        "from 1 than the noise floor: the 95th percentile of |ratio - 1| over 50 comparisons of "
        "the model with itself. A number that is not whole yet has no value; its note says how far "
        "it is.",
        "## Numbers",
        table(found).to_markdown(index=False),
        "## What the added nodes cost",
        f"The mean of {trials.TRUTHS} leases of {trials.TRUTH_S:.0f} s each, with its 95 % "
        f"interval, and how many of {trials.TRIALS} trials of at most {trials.TRIAL_S:.0f} s "
        f"({trials.LARGE_S:.0f} s for the last size), which do not know it, detected it. A lease "
        "holds the plain detector and one of each of the first three sizes, or of the last.",
        _truths(rows),
    ]
    (folder / "measurement.md").write_text("\n\n".join(parts) + "\n")


def _truths(rows: Rows) -> str:
    lines, floor = [], numbers_of.floor_of(rows)
    for size, (kind, _, name) in trials.SIZES.items():
        real = numbers_of.truth(rows, size)
        seen, of = numbers_of.detected(rows, size, floor)
        lines.append(
            {
                "size": size,
                "nodes": trials.nodes_of(kind)[name],
                "true ratio": "not known yet" if real is None else f"{real[0]:.5f}",
                "+-": "" if real is None else f"{real[1]:.5f}",
                "detected": "" if seen is None else f"{seen} of {of}",
            }
        )
    return str(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
