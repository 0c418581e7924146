from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine import console
from engine.console import Reporter
from engine.services import Event

STORY = [
    Event("train", "started", "Train"),
    Event("train", "progress", "epoch 1", 0.1),
    Event("train", "progress", "epoch 3", 0.3),
    Event("train", "progress", "epoch 4", 0.4),
    Event("train", "progress", "epoch 9", 0.9),
    Event("train", "log", "ends early"),
    Event("train", "finished", "Train"),
]


def test_without_a_terminal_there_are_few_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter() as reporter:
        for event in STORY:
            reporter(event)
        reporter.progress("measure", 0.5, "block 3")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "train started: Train",
        "train: 30 %: epoch 3",
        "train: 90 %: epoch 9",
        "train: ends early",
        "train finished: Train",
        "measure: 50 %: block 3",
    ]


def test_on_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()

    def terminal(stderr: bool = False) -> Console:
        assert stderr
        return Console(file=screen, force_terminal=True, width=100)

    monkeypatch.setattr(console, "Console", terminal)
    with Reporter() as reporter:
        for event in STORY:
            reporter(event)
    shown = screen.getvalue()
    assert "train: ends early" in shown
    assert "100 %" in shown


def test_many_things_at_once_are_told_by_their_titles() -> None:
    """Each begins with a line; the clock and another console are for whoever asks."""
    printed = io.StringIO()
    with Reporter(Console(file=printed, width=60), elapsed=True) as reporter:
        for title in ("cpu", "npu"):
            reporter.progress(title, 0.0, "number 2 in the [queue]")
            reporter.progress(title, 0.1, "inspects")  # too soon for another line
        reporter.progress("cpu", 1.0, "done")
        reporter.say("nothing else")
    assert [line[10:] for line in printed.getvalue().splitlines()] == [
        "cpu: 0 %: number 2 in the [queue]",
        "npu: 0 %: number 2 in the [queue]",
        "cpu: 100 %: done",
        "nothing else",
    ]
    assert printed.getvalue().startswith("[    0 s] cpu")


def test_what_is_new_is_told_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    clock = iter([0.0, 4.0, 11.0, 30.0])
    reporter = Reporter(Console(file=printed))
    monkeypatch.setattr("engine.console.time.monotonic", lambda: next(clock, 30.0))
    for message in ("queued", "begins", "inspects", "inspects"):
        reporter.progress("cpu", 0.05, message)
    assert printed.getvalue().splitlines() == ["cpu: 5 %: queued", "cpu: 5 %: inspects"]
