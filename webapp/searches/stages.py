"""The stages of a search as its page shows them: kept from the engine's events."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from webapp.searches.choices import StageState


class Stage(TypedDict):
    """One row: ``fraction`` 0 to 1, ``started`` in Unix time, ``seconds`` once finished."""

    name: str
    state: str
    fraction: float
    message: str
    started: float
    seconds: float | None


def apply(
    stages: list[Any],
    *,
    stage: str,
    kind: Literal["started", "progress", "finished", "log"],
    message: str,
    fraction: float | None,
    at: float,
) -> bool:
    """Put one event into ``stages``, in place; whether it says something new.

    A search is run again each time something that it waited for is there, and then announces the
    stages that it finished before once more: those change nothing.
    """
    row = next((row for row in stages if row["name"] == stage), None)
    if row is None:
        row = Stage(
            name=stage,
            state=StageState.RUNNING,
            fraction=0.0,
            message="",
            started=at,
            seconds=None,
        )
        stages.append(row)
        fresh = True
    else:
        fresh = False
    if row["state"] == StageState.FINISHED:
        return False
    if message and kind != "log":
        row["message"] = message[:300]
    if kind == "finished":
        row.update(state=StageState.FINISHED, fraction=1.0, seconds=round(at - row["started"], 1))
    elif fraction is not None:
        # Never backwards: a run that resumes starts counting anew.
        row["fraction"] = max(row["fraction"], min(max(fraction, 0.0), 1.0))
    return fresh or kind in {"finished", "log"}


def overall(stages: list[Any]) -> float:
    """How much of the stages that have begun is done, 0 to 1."""
    return sum(row["fraction"] for row in stages) / len(stages) if stages else 0.0
