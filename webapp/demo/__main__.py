"""``python -m webapp.demo``: the whole way from a model to the leaderboard, on this machine."""

from __future__ import annotations

import argparse
import fcntl
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from engine.console import Reporter
from engine.remote import Client, SiteError, table
from webapp.demo.checkpoint import FetchFailed
from webapp.demo.job import DemoFailed, MainJob, Outcome
from webapp.demo.plan import FULL, QUICK, Plan
from webapp.demo.stack import ROOT, Stack, StackFailed

EXPECTED = (DemoFailed, FetchFailed, OSError, SiteError, StackFailed, ValueError)
INTERRUPTED = 130


def main() -> int:
    """Exit status: 0 when the job came to its end, 1 when it failed, 130 when interrupted."""
    options = _options()
    # A closed terminal or a kill ends the demo as Ctrl-C does: everything it started is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _alone(options.out):
            _run(QUICK if options.quick else FULL, out=options.out, limit_s=60 * options.limit_min)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return INTERRUPTED
    except EXPECTED as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m webapp.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "demo", help="its folder")
    parser.add_argument(
        "--quick", action="store_true", help="few small images; figures mean nothing"
    )
    parser.add_argument(
        "--limit-min", type=float, default=60.0, help="give up after so many minutes"
    )
    options = parser.parse_args()
    options.out = options.out.resolve()
    return options


def _run(plan: Plan, *, out: Path, limit_s: float) -> None:
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console() if sys.stdout.isatty() else Console(width=150)
    started = time.monotonic()
    password = secrets.token_urlsafe(12)
    with Stack(out / "site", host="demo") as stack, Client(stack.url) as client:
        console.print(f"the site is at {stack.url}", highlight=False)
        client.sign_up(username="demo", password=password)
        with Reporter(console, elapsed=True) as reporter:
            job = MainJob(
                plan=plan,
                out=out,
                cache=ROOT / "var" / "cache",
                stack=stack,
                client=client,
                reporter=reporter,
            )
            outcome = job.run(limit_s=limit_s)
        _report(console, outcome)
        minutes = (time.monotonic() - started) / 60
        console.print(f"{minutes:.1f} minutes; the site: {stack.url}", highlight=False)
        if terminal:
            console.print(f"sign in as demo, password {password}; Ctrl-C ends it", highlight=False)
            _stay(stack)


def _report(console: Console, outcome: Outcome) -> None:
    console.print(table.leaderboard(outcome.entries))
    for target, found in outcome.summary.targets.items():
        console.print(f"{target}: {found.verdict.sentence}", markup=False, highlight=False)
        for arm in found.arms:
            if arm.name == "uploaded" and arm.map50_95 is not None:
                own = f"{arm.map50_95:.3f}"
                console.print(f"  mAP50-95 of the uploaded file itself, decides nothing: {own}")
    console.print("files:")
    for path in outcome.files:
        console.print(f"  {path}", markup=False, highlight=False, soft_wrap=True)


def _stay(stack: Stack) -> None:
    try:
        while True:
            stack.check()
            time.sleep(1)
    except KeyboardInterrupt:
        return


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Empties the demo's folder and keeps a second demo out of it while the block runs.

    Everything is made anew: figures of an earlier run must not pass for this one's.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_name(f"{out.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"another demo is running in {out}") from None
        if out.exists():
            shutil.rmtree(out)
        out.mkdir()
        yield


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
