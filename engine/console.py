"""What the command line shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from engine.services import Event

PLAIN_STEP = 0.25  # a plain line at every quarter of a stage


class Reporter:
    """Takes events and shows them on stderr. A context manager: bars are closed at its end."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.fields[stage]:<18}"),
                BarColumn(),
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
        """Show one event; the mixes that were tried stand in the result."""
        if event.kind == "tried":
            return
        if self._bars is None:
            self._plain(event)
        else:
            self._bar(self._bars, event)

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """Show how much of ``stage`` is done, 0 to 1."""
        self(Event(stage, "progress", message, fraction))

    def _bar(self, bars: Progress, event: Event) -> None:
        if event.kind == "log":
            bars.console.print(f"{event.stage}: {event.message}", markup=False, highlight=False)
            return
        if event.stage not in self._tasks:
            self._tasks[event.stage] = bars.add_task("", total=1.0, stage=event.stage)
        task = self._tasks[event.stage]
        done = 1.0 if event.kind == "finished" else event.fraction
        bars.update(task, completed=done, description=event.message)

    def _plain(self, event: Event) -> None:
        if event.kind == "progress":
            fraction = event.fraction or 0.0
            if fraction < self._said.get(event.stage, 0.0) + PLAIN_STEP:
                return
            self._said[event.stage] = fraction
            line = f"{event.stage}: {100 * fraction:.0f} %"
        else:
            line = event.stage if event.kind == "log" else f"{event.stage} {event.kind}"
            if event.kind == "started":
                self._said.pop(event.stage, None)
        print(f"{line}: {event.message}" if event.message else line, file=sys.stderr, flush=True)


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
