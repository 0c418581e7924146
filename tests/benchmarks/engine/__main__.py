"""``make bench-engine``: adds the rows that are missing, then writes the page.

``--only predict,minutes`` adds rows of those parts alone, ``--only predict --rows table_openvino``
those rows of the part ``predict`` alone (about ten minutes each, on a machine with nothing else to
do); ``--page`` adds none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks.engine import bakeoff, hypervolume, minutes, page, predict, searches
from tests.benchmarks.engine.testbed import Bed
from tests.benchmarks.numbers import table
from tests.benchmarks.rows import Rows

PARTS = {
    "predict": predict,
    "minutes": minutes,
    "bakeoff": bakeoff,
    "hypervolume": hypervolume,
    "searches": searches,
}
ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), metavar="A,B")
    parser.add_argument(
        "--rows", metavar="A,B", help=f"of the part predict: {', '.join(predict.ROWS)}"
    )
    parser.add_argument("--page", action="store_true", help="write the page, add no rows")
    options = parser.parse_args()
    bed = Bed(work=ROOT / "var" / "bench" / "engine", rows=Rows(OUT / "rows" / "engine"))
    bed.work.mkdir(parents=True, exist_ok=True)
    names = [] if options.page else options.only.split(",")
    for name in names:
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; known: {', '.join(PARTS)}")
    if options.rows is not None:
        _add_rows(parser, bed, names, options.rows.split(","))
    else:
        for name in names:
            PARTS[name].run(bed)
    found = [number for part in PARTS.values() for number in part.numbers(bed)]
    page.write(bed, found, OUT)
    print(table(found).to_string(index=False))


def _add_rows(
    parser: argparse.ArgumentParser, bed: Bed, parts: list[str], wanted: list[str]
) -> None:
    if parts != ["predict"]:
        parser.error("--rows names rows of the part predict: give --only predict, too")
    for name in wanted:
        if name not in predict.ROWS:
            parser.error(f"unknown row {name!r}; known: {', '.join(predict.ROWS)}")
    predict.run(bed, wanted)


if __name__ == "__main__":
    main()
