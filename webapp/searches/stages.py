"""The stages of a search as its page shows them: planned at the start, kept from events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from webapp.searches.choices import StageState


class Stage(TypedDict):
    """One row: ``fraction`` 0 to 1, ``started`` in Unix time, ``seconds`` once finished."""

    name: str
    title: str
    state: str
    fraction: float
    message: str
    started: float | None
    seconds: float | None


def plan(titles: Mapping[str, str]) -> list[Stage]:
    """The rows of a search that has not begun, from ``{name: title}``."""
    return [_row(name, title) for name, title in titles.items()]


def apply(
    stages: list[Any],
    *,
    stage: str,
    kind: Literal["started", "progress", "finished", "log"],
    message: str,
    fraction: float | None,
    at: float,
    seconds: float | None = None,
) -> bool:
    """Put one event into ``stages``, in place; whether it belongs in the log.

    A search runs again each time something that it waited for is there, and may announce once more
    what it said before: that changes nothing.
    """
    row = next((row for row in stages if row["name"] == stage), None)
    if row is None:
        row = _row(stage, message if kind == "started" else stage)
        stages.append(row)
    if row["state"] == StageState.FINISHED:
        return False
    fresh = row["state"] == StageState.WAITING
    if fresh:
        row["state"], row["started"] = StageState.RUNNING.value, at
    if kind == "finished":
        row["state"], row["fraction"], row["message"] = StageState.FINISHED.value, 1.0, ""
        row["seconds"] = round(at - (row["started"] or at) if seconds is None else seconds, 1)
        return True
    if kind == "progress":
        row["message"] = message[:300]
    if fraction is not None:
        # Never backwards: a run that resumes starts counting anew.
        row["fraction"] = max(row["fraction"], min(max(fraction, 0.0), 1.0))
    return fresh or kind == "log"


def settle(stages: list[Any], seconds: Mapping[str, float]) -> None:
    """Mark as finished what the engine's folder says is finished, in place.

    A run that was killed, cancelled or paused may have ended a stage and not have said so; the next
    run reads that stage from its file, without a word.
    """
    for row in stages:
        if row["name"] in seconds and row["state"] != StageState.FINISHED:
            row["state"], row["fraction"], row["message"] = StageState.FINISHED.value, 1.0, ""
            row["seconds"] = round(seconds[row["name"]], 1)


def overall(stages: list[Any]) -> float:
    """How much of all stages is done, 0 to 1."""
    return sum(row["fraction"] for row in stages) / len(stages) if stages else 0.0


def _row(name: str, title: str) -> Stage:
    return Stage(
        name=name,
        title=title,
        state=StageState.WAITING.value,
        fraction=0.0,
        message="",
        started=None,
        seconds=None,
    )
