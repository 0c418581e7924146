"""Progress of many things at once: bars on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

EVERY_S = 10.0  # between two plain lines about the same thing


class Bars:
    """A context manager. ``update`` names a thing by its key; it appears when first named."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, tuple[float, str]] = {}
        self._started = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.fields[title]:<26}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, title: str, *, fraction: float, text: str) -> None:
        """``title`` has come as far as ``fraction`` (0 to 1) and is doing ``text``."""
        if self._live:
            if title not in self._tasks:
                self._tasks[title] = self._progress.add_task(text, total=1.0, title=title)
            self._progress.update(self._tasks[title], completed=fraction, description=text)
            return
        now = time.monotonic()
        last_at, last_line = self._said.get(title, (-EVERY_S, ""))
        line = f"{title}: {fraction:4.0%} {text}"
        finished = fraction >= 1 and line != last_line
        if finished or (line != last_line and now - last_at >= EVERY_S):
            self._said[title] = (now, line)
            self.say(line)

    def say(self, text: str) -> None:
        """A line that stays."""
        elapsed = time.monotonic() - self._started
        line = f"[{elapsed:5.0f} s] {text}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
