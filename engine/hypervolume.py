"""The area that a set of (latency ratio, loss) points dominates; without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

REFERENCE_POINT: Final = (1.0, 0.05)  # latency ratio, loss of mAP50-95


def area(points: Iterable[tuple[float, float]]) -> float:
    """The area between the points (both figures to be made small) and REFERENCE_POINT."""
    right, top = REFERENCE_POINT
    total = 0.0
    for x, y in sorted(points):
        if x < right and y < top:
            total += (right - x) * (top - y)
            top = y
    return total
