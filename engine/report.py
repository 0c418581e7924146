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

_NOTHING = "-"


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
    over = f"\n(n = {images})" if images else ""
    columns: dict[str, list[str]] = {
        f"mAP50{over}": [_number(a.map50) for a in arms],
        f"mAP50-95{over}": [_number(a.map50_95) + _interval(a.map50_95_ci) for a in arms],
        "loss": [_number(a.loss, signed=True) + _interval(a.loss_ci, signed=True) for a in arms],
        "output\ndistortion": [_number(a.details.get("output_distortion")) for a in arms],
        f"latency ms\n({kind})": [_number(a.latency_ms, digits=2) for a in arms],
        "ratio": [_number(a.latency_ratio) + _interval(a.ratio_ci) for a in arms],
        "SiLU as\none table": [_number(a.one_table_ratio) for a in arms],
        f"memory\n{unit}": [_number(a.memory, digits=1) for a in arms],
    }
    # A cost study has no mAP: columns that say nothing take no room.
    columns = {name: cells for name, cells in columns.items() if set(cells) != {_NOTHING}}
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("arm", no_wrap=True)
    table.add_column("activations")
    for heading in columns:
        table.add_column(heading, justify="right")
    for row, arm in enumerate(arms):
        table.add_row(
            arm.name,
            mix_text(arm.assignment),
            *(cells[row] for cells in columns.values()),
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
        return _NOTHING
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def _interval(interval: Range | None, *, signed: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (_number(end, signed=signed) for end in interval)
    return f" ({low} to {high})" if signed else f" ({low}-{high})"
