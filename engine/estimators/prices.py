"""Prices of single swaps, added up for a mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.assignment import Assignment
from engine.errors import BadSearch

__all__ = ["Swap", "of_mix", "swaps"]

Swap = tuple[str, str]  # (site, activation) that differs from the original


def swaps(original: Assignment, assignments: Sequence[Assignment]) -> list[Swap]:
    """Every swap that one of ``assignments`` makes, once each.

    Raises:
        BadSearch: a site does not run in the deployed graph.
    """
    found: dict[Swap, None] = {}
    for assignment in assignments:
        for site, activation in assignment:
            if site not in original.mapping:
                raise BadSearch(f"{site!r} does not run in the deployed graph; it has no price")
            if activation != original[site]:
                found[site, activation] = None
    return list(found)


def of_mix(original: Assignment, assignment: Assignment, prices: Mapping[Swap, float]) -> float:
    """The sum of the prices of what ``assignment`` swaps; exactly 0 for the original."""
    return sum(
        (prices[swap] for swap in assignment.choices if swap[1] != original[swap[0]]), start=0.0
    )
