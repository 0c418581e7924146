"""What one swap does, as a search's result holds it: its cost and what it loses, per site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from devices.activations import CATALOG
from webapp.ui import figures, svg
from webapp.ui.svg.network import DrawnSite

Pair = tuple[str, str]  # (site path, activation)


@dataclass(frozen=True)
class Sensitivity:
    """One estimator's signal per (site, activation): 0 for the original, lower is better."""

    estimator: str
    unit: str
    values: dict[Pair, float]


@dataclass(frozen=True)
class Swaps:
    """The one-swap maps of a result; both are empty before there is one."""

    result: Mapping[str, Any]
    original: Mapping[str, str]

    @cached_property
    def costs(self) -> dict[Pair, float]:
        """Milliseconds of every (site, activation) against the original, from the cost table."""
        table = self.result.get("cost_table")
        if not table:
            return {}
        known = {
            (site, activation): ms
            for site, row in zip(table["sites"], table["ms"], strict=True)
            for activation, ms in zip(table["activations"], row, strict=True)
            if ms is not None
        }
        return {
            (site, activation): ms - known[site, self.original[site]]
            for (site, activation), ms in known.items()
            if (site, self.original.get(site)) in known
        }

    @cached_property
    def sensitivity(self) -> Sensitivity | None:
        """What each swap loses in accuracy, as the search's estimator saw it; None without one."""
        found = [one for one in self.result.get("estimates", []) if one.get("penalty")]
        if not found:
            return None
        estimate = found[-1]
        values = {
            (site["path"], activation): value
            for site, row in zip(self.result["sites"], estimate["penalty"], strict=True)
            for activation, value in zip(estimate["activations"], row, strict=True)
            if value is not None
        }
        return Sensitivity(estimate["estimator"], estimate["unit"], values)

    def cost_map(self, sites: Sequence[DrawnSite], used: Sequence[str]) -> SafeString | str:
        """The cost of every choice as a heat map; "" without a cost table."""
        if not self.costs:
            return ""
        return svg.heat_map(
            sites,
            candidates=in_order(used),
            values=self.costs,
            told=lambda value: f"{figures.signed(value, 4)} ms",
            what="Cost of every choice against the original, in ms",
        )

    def sensitivity_map(self, sites: Sequence[DrawnSite], used: Sequence[str]) -> SafeString | str:
        """What every swap loses as a heat map; "" where no estimator said."""
        if self.sensitivity is None:
            return ""
        return svg.heat_map(
            sites,
            candidates=in_order(used),
            values=self.sensitivity.values,
            told=lambda value: figures.signed(value, 4),
            what=f"Accuracy signal of every swap, in {self.sensitivity.unit}",
        )


def in_order(names: Sequence[str]) -> list[str]:
    """Each activation once, in catalog order."""
    return [name for name in CATALOG if name in set(names)]
