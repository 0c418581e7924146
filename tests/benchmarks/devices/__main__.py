"""``make bench-devices``: the uniform study; adds the leases that are missing.

``--kinds modelled`` takes only targets whose figures do not depend on what else the machine does,
``--minutes N`` begins no lease after that time; ``--page`` measures nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.benchmarks.devices import page, study
from tests.benchmarks.rows import Rows

ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", default="modelled,measured", metavar="A,B")
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    options = parser.parse_args()
    rows = Rows(OUT / "rows" / "devices", packages=("ethos-u-vela", "torch", "ultralytics"))
    work = ROOT / "var" / "bench" / "devices"
    work.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    if not options.page:
        for model, imgsz, target in study.cases(options.kinds.split(",")):
            if rows.find("uniform", study.inputs(model, imgsz, target)) is not None:
                continue
            if time.monotonic() > end:
                break
            begun = time.monotonic()
            study.add(rows, work, model, imgsz, target)
            spent = time.monotonic() - begun
            print(f"{model} at {imgsz} px on {target.id}: {spent:.0f} s", flush=True)
    page.write(rows, OUT)


if __name__ == "__main__":
    main()
