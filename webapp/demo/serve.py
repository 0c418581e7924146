"""``python -m webapp.demo.serve``: the site with its Redis and a local agent, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from webapp.demo.stack import ROOT, Stack, StackFailed


def main() -> int:
    """Exit status: 0 after Ctrl-C, 1 when a part did not start or died."""
    parser = argparse.ArgumentParser(prog="python -m webapp.demo.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "site", help="its folder")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Stack(options.data.resolve(), port=options.port) as stack:
            print(f"the site is at {stack.url}; logs in {stack.logs}; Ctrl-C ends it", flush=True)
            while True:
                stack.check()
                time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except (StackFailed, OSError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
