"""A result as a terminal table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from devices import activations
from devices.assignment import Assignment
from engine.arms import Arm
from engine.documents import FiguresKind, Range
from engine.result import Result
from engine.verdict import Verdict

_KIND = {"measured": "measured", "modelled": "modelled, not run", "emulated": "emulated"}


def render(result: Result) -> RenderableType:
    """The arms of a result and its verdict."""
    images = result.data.images.get("test") if result.data else None
    return Group(
        arms_table(
            result.arms,
            title=f"{result.model.family} on {result.target}",
            kind=result.kind,
            chosen=result.verdict.chosen,
            images=images,
        ),
        verdict_text(result.verdict),
        *(Text(f"note: {note}", style="dim") for note in result.notes),
    )


def arms_table(
    arms: Sequence[Arm],
    *,
    title: str,
    kind: FiguresKind,
    chosen: str | None = None,
    images: int | None = None,
) -> Table:
    """One row an arm. Latency is headed with how it was obtained; ``images`` is the test split."""
    unit = next((a.memory_unit for a in arms if a.memory_unit), None)
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("arm", no_wrap=True)
    table.add_column("activations")
    over = f"\n(n = {images})" if images else ""
    for heading in (
        f"mAP50{over}",
        f"mAP50-95{over}",
        "loss",
        f"latency ms\n({_KIND[kind]})",
        "ratio",
        f"memory {unit}" if unit else "memory",
    ):
        table.add_column(heading, justify="right")
    for arm in arms:
        table.add_row(
            arm.name,
            mix_text(arm.assignment),
            _number(arm.map50),
            _number(arm.map50_95) + _interval(arm.map50_95_ci),
            _number(arm.loss, signed=True) + _interval(arm.loss_ci, signed=True),
            _number(arm.latency_ms, digits=2),
            _number(arm.latency_ratio) + _interval(arm.ratio_ci),
            _number(arm.memory, digits=1),
            style="bold green" if arm.name == chosen else None,
        )
    return table


def verdict_text(verdict: Verdict) -> Text:
    """The verdict's sentence, then its reasons."""
    text = Text(f"{verdict.sentence}.\n", style="bold")
    if verdict.chosen is not None:
        text.append(f"recommended: {verdict.chosen}\n", style="not bold")
    for reason in verdict.reasons:
        text.append(f"- {reason}\n", style="not bold dim")
    return text


def mix_text(assignment: Assignment) -> Text:
    """How many sites run what, in the catalog's colours."""
    text = Text()
    for name, n in assignment.counts().items():
        entry = activations.get(name)
        text.append(f"{' ' if text else ''}{entry.title} {n}", style=entry.colour)
    return text


def _number(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def _interval(interval: Range | None, *, signed: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (_number(end, signed=signed) for end in interval)
    return f" ({low} to {high})" if signed else f" ({low}-{high})"
