"""The document of an analysis as the page shows it: rows, with a drawing for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from django.utils.safestring import SafeString

from webapp.jobs.choices import OPEN, State
from webapp.ui import figures, svg

Row = dict[str, Any]


@dataclass(frozen=True)
class Charts:
    """The tables of one window, ``{table: rows}``."""

    document: dict[str, list[Row]]

    @cached_property
    def days(self) -> list[Row]:
        """Per day: finished, failed, cancelled, and ``open`` ones, which may still go on."""
        return [
            {
                "day": row["day"],
                "finished": row[State.FINISHED],
                "failed": row[State.FAILED],
                "cancelled": row[State.CANCELLED],
                "open": sum(row[state] for state in OPEN),
            }
            for row in self.document["searches"]
        ]

    @property
    def total(self) -> int:
        """How many searches the days have together."""
        return sum(sum(count for name, count in row.items() if name != "day") for row in self.days)

    @property
    def busy_days(self) -> list[Row]:
        """The days with a search, the latest first."""
        return [row for row in reversed(self.days) if any(row[name] for name in svg.SERIES)]

    @property
    def searches(self) -> SafeString:
        """Searches a day, stacked by state."""
        return svg.bars(
            [row["day"] for row in self.days],
            {name: [row[name] for row in self.days] for name in svg.SERIES},
            what="searches",
        )

    @property
    def devices(self) -> list[tuple[Row, SafeString]]:
        """Per device a row, and the share of the time it measured."""
        return [
            (row, svg.meter(row["share"], most=1.0, label=figures.percent(row["share"])))
            for row in self.document["devices"]
        ]

    @property
    def stages(self) -> list[tuple[str, list[tuple[Row, SafeString]]]]:
        """(target, stages): each drawn on the scale of its target's slowest stage."""
        found = []
        for target, group in groupby(self.document["stages"], key=lambda row: str(row["target"])):
            found.append((target, _spreads(list(group))))
        return found

    @property
    def queues(self) -> list[tuple[Row, SafeString]]:
        """Per queue a row, and how long its jobs waited."""
        return _spreads(self.document["queues"])


def _spreads(rows: list[Row]) -> list[tuple[Row, SafeString]]:
    most = max((row["p90_s"] for row in rows), default=0.0)
    return [
        (
            row,
            svg.meter(
                row["median_s"],
                upto=row["p90_s"],
                most=most,
                label=f"median {figures.duration(row['median_s'])}, "
                f"90 % within {figures.duration(row['p90_s'])}",
            ),
        )
        for row in rows
    ]
