"""``make bench-load``: a site of its own under load on this machine; adds the missing rows.

``--only leaderboard,render,uploads,queue`` runs those parts alone, ``--sizes 10000`` those sizes of
the leaderboard, ``--again`` measures anew what is there; ``--page`` measures nothing.
"""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tests.benchmarks.load import leaderboard, page, queue, render, uploads
from tests.benchmarks.load.servers import site
from tests.benchmarks.numbers import table
from tests.benchmarks.rows import Rows

PARTS: dict[str, ModuleType] = {
    "leaderboard": leaderboard,
    "render": render,
    "uploads": uploads,
    "queue": queue,
}
ROOT = Path(__file__).parents[3]
OUT = ROOT / "docs" / "benchmarks"
PACKAGES = ("django", "gunicorn", "psycopg", "rq", "redis")
# One machine sends everything, as the limits of a real site would not let it.
NO_LIMITS = {
    "ACTNAS_RATE_READS": "0",
    "ACTNAS_RATE_WRITES": "0",
    "ACTNAS_RATE_UPLOADS": "0",
    "ACTNAS_QUOTA_STORED_MIB": "0",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), metavar="A,B")
    parser.add_argument("--sizes", default=",".join(map(str, leaderboard.SIZES)), metavar="N,M")
    parser.add_argument("--again", action="store_true", help="measure anew what is there")
    parser.add_argument("--page", action="store_true", help="write the pages, measure nothing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    rows = Rows(OUT / "rows" / "load", packages=PACKAGES)
    sizes = tuple(int(word) for word in options.sizes.split(","))
    for name in [] if options.page else options.only.split(","):
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; known: {', '.join(PARTS)}")
        for inputs in _inputs(name, sizes) if options.again else []:
            rows.forget(name, inputs)
        if PARTS[name].missing(rows, sizes):
            _run(PARTS[name], rows, sizes)
    found = [number for part in PARTS.values() for number in part.numbers(rows)]
    page.write(rows, found, OUT)
    print(table(found).to_string(index=False))


def _inputs(name: str, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    if name == "leaderboard":
        return [leaderboard.inputs(n, part) for n in sizes for part in leaderboard.PARTS]
    return [PARTS[name].inputs()]


def _run(part: ModuleType, rows: Rows, sizes: tuple[int, ...]) -> None:
    """The part in a process of its own: Django learns of one site only, and each part has its own.

    Raises:
        SystemExit: it did not end well.
    """
    process = get_context("fork").Process(target=_measured, args=(part, rows, sizes))
    process.start()
    try:
        process.join()
    except BaseException:
        process.terminate()
        process.join()
        raise
    if process.exitcode:
        raise SystemExit(f"bench-load: {part.__name__.rpartition('.')[2]} did not end well")


def _measured(part: ModuleType, rows: Rows, sizes: tuple[int, ...]) -> None:
    signal.signal(signal.SIGTERM, _stop)  # what the site started is ended on the way out
    with ExitStack() as stack:
        own = stack.enter_context(render.own_cdn()) if part is render else {}
        running = stack.enter_context(site(NO_LIMITS | own))
        os.environ.update(running.environment)
        import django

        django.setup()
        part.run(rows, running, sizes)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit("bench-load: stopped")


if __name__ == "__main__":
    main()
