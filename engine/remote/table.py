"""What the API returned, as tables for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

Entry = Mapping[str, Any]


def leaderboard(entries: Sequence[Entry]) -> Table:
    """One row an entry, in the order given, with a line between targets."""
    table = Table(title="Leaderboard")
    for heading in ("target", "rank", "arm", "activations", "mAP50-95", "loss", "ms", "ratio"):
        right = heading in {"rank", "mAP50-95", "loss", "ms"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    table.add_column("memory", justify="right")
    previous = None
    for entry in entries:
        if previous is not None and entry["target"] != previous:
            table.add_section()
        previous = entry["target"]
        table.add_row(
            f"{entry['target']}\n{entry['kind']}",
            "-" if entry["rank"] is None else str(entry["rank"]),
            entry["arm"],
            mix(entry["assignment"].values()),
            number(entry["map50_95"], 3) + span(entry["map_ci"]),
            number(entry["loss"], 4) + span(entry["loss_ci"]),
            number(entry["latency_ms"], 2),
            number(entry["latency_ratio"], 3) + span(entry["ratio_ci"]),
            f"{number(entry['memory'], 1)} {entry['memory_unit']}".strip(),
        )
    return table


def mix(activations: Iterable[str]) -> str:
    """ "relu 30, silu 27": how many sites run each, most used first."""
    return ", ".join(f"{name} {sites}" for name, sites in Counter(activations).most_common())


def number(value: float | None, digits: int) -> str:
    """The value with so many digits after the point, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def span(interval: Sequence[float] | None) -> str:
    """A 95 % interval on a line of its own, or nothing."""
    return "" if interval is None else f"\n{interval[0]:.3f} to {interval[1]:.3f}"
