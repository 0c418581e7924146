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
