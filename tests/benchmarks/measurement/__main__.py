"""``make bench-measurement``: adds the rows that are missing, on a machine with nothing else to do.

``--minutes N`` begins no row after that time, so that a night's work can span several runs;
``--only aa_idle,spread`` adds rows of those kinds alone; ``--page`` measures nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pandas as pd

from tests.benchmarks.measurement import numbers_of, trials
from tests.benchmarks.measurement.bed import IMGSZ, LOADS, MODEL, TARGET, Bed
from tests.benchmarks.numbers import Number, table
from tests.benchmarks.rows import Rows

ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "benchmarks"
KINDS = ("aa_idle", "aa_loaded", "effect_truth", "effect", "spread", "container")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--only", default=",".join(KINDS), metavar="A,B")
    parser.add_argument("--rows", type=Path, default=OUT / "rows" / "measurement")
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    options = parser.parse_args()
    rows = Rows(options.rows, packages=("onnxruntime", "numpy"))
    bed = Bed(ROOT / "var" / "bench" / "measurement")
    bed.work.mkdir(parents=True, exist_ok=True)
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(KINDS):
        parser.error(f"unknown kind {sorted(unknown)[0]!r}; known: {', '.join(KINDS)}")
    end = time.monotonic() + 60 * options.minutes
    for kind, inputs, make in [] if options.page else trials.missing(rows, bed):
        if kind not in wanted:
            continue
        if time.monotonic() > end:
            break
        began = time.monotonic()
        rows.add(kind, inputs, make)
        print(f"{kind} {inputs['which']}: {time.monotonic() - began:.0f} s", flush=True)
    found = numbers_of.numbers(rows)
    write(rows, found, OUT)
    print(table(found).to_string(index=False))


def write(rows: Rows, found: list[Number], folder: Path) -> None:
    """docs/benchmarks/measurement.md and measurement.json, made of the rows and nothing else."""
    of = {kind: rows.of(kind) for kind in KINDS}
    document = {
        "schema": "actnas.numbers/1",
        "numbers": [number.to_json() for number in found],
        "rows": of,
    }
    (folder / "measurement.json").write_text(json.dumps(document, indent=1) + "\n")
    parts = [
        "# Measurements, measured",
        f"Made by `make bench-measurement` from the rows in `measurement.json`: {MODEL} at {IMGSZ} "
        f"px on `{TARGET}`, one lease a comparison. A run adds what is missing. *idle*: nothing "
        f"else of ours runs; *loaded*: {LOADS} processes of the benchmark multiply matrices, a "
        "second on and a second off. An effect is made of nodes before the first layer that cost "
        "time and change nothing. *Different* means that the interval excludes 1 and the ratio is "
        "further from 1 than the noise floor: the 95th percentile of |ratio - 1| over 50 "
        "comparisons of the model with itself.",
        "## Numbers",
        table(found).to_markdown(index=False),
        "## What the added nodes cost",
        _truths(of["effect_truth"]),
    ]
    (folder / "measurement.md").write_text("\n\n".join(parts) + "\n")


def _truths(rows: list[dict[str, object]]) -> str:
    lines = []
    for row in rows:
        values, inputs = row["values"], row["inputs"]
        assert isinstance(values, dict)
        assert isinstance(inputs, dict)
        size = inputs["which"][0]
        lines.append(
            {
                "size": size,
                "nodes": inputs["nodes"][size],
                "ratio": round(values["ratio"], 5),
                "95 % interval": "{:.5f} to {:.5f}".format(*values["interval"]),
                "blocks": values["blocks"],
                "load before": values["load_1min_before"],
            }
        )
    return str(pd.DataFrame(lines).to_markdown(index=False)) if lines else "Not measured yet."


if __name__ == "__main__":
    main()
