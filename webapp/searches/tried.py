"""The mixes that a search tried on its way: what was expected of them and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from devices.assignment import Assignment
from webapp.searches.models import Search
from webapp.ui import figures, svg
from webapp.ui.svg.points import Point

_FEWEST = 3  # points that make a chart


@dataclass(frozen=True)
class Candidate:
    """One mix as result.json holds it; mAP is on val, with the estimator's weights."""

    document: dict[str, Any]

    @property
    def hash(self) -> str:
        return Assignment.from_pairs(self.document["assignment"]["choices"]).hash

    @property
    def activations(self) -> list[str]:
        return [activation for _, activation in self.document["assignment"]["choices"]]

    @property
    def ratio(self) -> float | None:
        value: float | None = self.document.get("measured_ratio")
        return value

    @property
    def map50_95(self) -> float | None:
        value: float | None = self.document.get("map50_95")
        return value


@dataclass(frozen=True)
class Tried:
    """The candidates of a finished search, the fastest first."""

    search: Search

    @cached_property
    def candidates(self) -> list[Candidate]:
        found = [Candidate(one) for one in (self.search.result or {}).get("candidates", [])]
        return sorted(found, key=lambda one: (one.ratio is None, one.ratio or 0.0))

    @property
    def pareto_chart(self) -> SafeString | str:
        """Measured ratio against mAP on val: the Pareto set filled, the picks ringed."""
        points = [
            Point(
                x=one.ratio,
                y=one.map50_95,
                told=f"{one.hash}: ratio {figures.number(one.ratio)}, "
                f"mAP50-95 on val {figures.number(one.map50_95)}",
                strong=bool(one.document.get("pareto")),
                ring=bool(one.document.get("chosen")),
            )
            for one in self.candidates
            if one.ratio is not None and one.map50_95 is not None
        ]
        if len(points) < _FEWEST:
            return ""
        label = f"Measured latency ratio against mAP50-95 on val of {len(points)} mixes"
        return svg.scatter(points, x_name="latency ratio", y_name="mAP50-95 on val", label=label)

    @property
    def trust_chart(self) -> SafeString | str:
        """What the estimator's penalty said against the mAP on val: does it rank mixes?"""
        points = [
            Point(
                x=one.document["penalty"],
                y=one.map50_95,
                told=f"{one.hash}: penalty {figures.number(one.document['penalty'], 4)}, "
                f"mAP50-95 on val {figures.number(one.map50_95)}",
                strong=True,
            )
            for one in self.candidates
            if one.map50_95 is not None
        ]
        if len(points) < _FEWEST:
            return ""
        label = f"Estimator's penalty against mAP50-95 on val of {len(points)} mixes"
        return svg.scatter(
            points, x_name="penalty by the estimator", y_name="mAP50-95 on val", label=label
        )
