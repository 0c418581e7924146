"""What the command line shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engine.services import Event

PLAIN_STEP = 0.25  # a plain line at every quarter of a thing ...
PLAIN_EVERY_S = 10.0  # ... and after so long, where there is something new to say
WIDE = 150  # columns of a table that goes into a file or a pipe


def for_tables() -> Console:
    """Stdout, as wide as tables want it where no terminal says how wide it is."""
    return Console(width=None if sys.stdout.isatty() else WIDE)


class Reporter:
    """How far several things are, each by its title: a stage, a file, a search on a target.

    A context manager: bars are closed at its end. Writes to stderr, or to ``console``; plain lines
    begin with the seconds since it was made where ``elapsed`` is asked for.
    """

    def __init__(self, console: Console | None = None, *, elapsed: bool = False) -> None:
        self._console = console or Console(stderr=True)
        self._started = time.monotonic() if elapsed else None
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, _Said] = {}
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.fields[title]:<26}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
                console=self._console,
            )

    def __enter__(self) -> Reporter:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show an event of the engine; the mixes that were tried stand in the result."""
        if event.kind == "log":
            self.say(f"{event.stage}: {event.message}")
        elif event.kind == "progress":
            self.progress(event.stage, event.fraction or 0.0, event.message)
        elif event.kind in ("started", "finished"):
            self._edge(event)

    def progress(self, title: str, fraction: float, message: str) -> None:
        """``title`` has come as far as ``fraction`` (0 to 1) and is doing ``message``."""
        if self._bars is not None:
            self._bar(self._bars, title, fraction, message)
            return
        now, said = time.monotonic(), self._said.get(title)
        if said is None or said.is_old(fraction, message, at=now):
            self._said[title] = _Said(at=now, fraction=fraction, text=message)
            self.say(f"{title}: {100 * fraction:.0f} %" + (f": {message}" if message else ""))

    def say(self, text: str) -> None:
        """A line that stays."""
        clock = f"[{time.monotonic() - self._started:5.0f} s] " if self._started is not None else ""
        self._console.print(f"{clock}{text}", markup=False, highlight=False, soft_wrap=True)

    def _edge(self, event: Event) -> None:
        """A stage begins or ends."""
        if self._bars is not None:
            done = 1.0 if event.kind == "finished" else event.fraction or 0.0
            self._bar(self._bars, event.stage, done, event.message)
            return
        self._said[event.stage] = _Said(at=time.monotonic(), text=event.message)
        line = f"{event.stage} {event.kind}"
        self.say(f"{line}: {event.message}" if event.message else line)

    def _bar(self, bars: Progress, title: str, fraction: float, message: str) -> None:
        if title not in self._tasks:
            self._tasks[title] = bars.add_task("", total=1.0, title=title)
        bars.update(self._tasks[title], completed=fraction, description=message)


@dataclass(frozen=True)
class _Said:
    """The last plain line about a thing."""

    at: float
    fraction: float = 0.0
    text: str = ""

    def is_old(self, fraction: float, text: str, *, at: float) -> bool:
        """Whether another line is due."""
        if fraction >= self.fraction + PLAIN_STEP or fraction >= 1 > self.fraction:
            return True
        return at - self.at >= PLAIN_EVERY_S and (fraction, text) != (self.fraction, self.text)


@contextmanager
def only_document() -> Iterator[TextIO]:
    """A stream that is the real stdout, while whatever libraries print goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
