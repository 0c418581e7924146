"""Numbers that a benchmark has to reach, and whether it did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd


@dataclass(frozen=True)
class Number:
    """One number. ``value`` is None where it was not measured yet: then the target is not met.

    ``target`` is (">=" or "<=", bound). ``note`` says what stands behind the value; ``tried`` what
    was done to reach the target, told where it is missed. What does not count is not met, whatever
    its value.
    """

    name: str
    unit: str
    target: tuple[Literal["<=", ">="], float]
    value: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""
    counts: bool = True
    tried: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of the target."""
        if self.value is None or not math.isfinite(self.value) or not self.counts:
            return False
        sign, bound = self.target
        return self.value <= bound if sign == "<=" else self.value >= bound

    @property
    def told(self) -> str:
        """The note, and what was tried where the value misses its target."""
        found = [self.note]
        if self.tried and self.value is not None and not self.met:
            found.append(f"tried: {self.tried}")
        return "; ".join(filter(None, found))

    def to_json(self) -> dict[str, Any]:
        """As the result files hold it."""
        sign, bound = self.target
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "interval": list(self.interval) if self.interval else None,
            "target": f"{sign} {bound:g}",
            "met": self.met,
            "note": self.told,
        }


def table(numbers: Sequence[Number]) -> pd.DataFrame:
    """A table for people, one row a number."""
    rows = []
    for number in numbers:
        low_high = number.interval
        shown = "not measured yet" if number.value is None else f"{number.value:.4g}"
        rows.append(
            {
                "number": number.name,
                "value": shown,
                "interval": "" if low_high is None else f"{low_high[0]:.4g} to {low_high[1]:.4g}",
                "unit": number.unit,
                "target": f"{number.target[0]} {number.target[1]:g}",
                "met": "yes" if number.met else "no",
                "note": number.told,
            }
        )
    return pd.DataFrame(rows)
