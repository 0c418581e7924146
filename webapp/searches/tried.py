"""The mixes that a search tried on its way: what was expected of them and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
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
    def best_ratio(self) -> float:
        """What was measured; what is predicted as long as it was not."""
        predicted: float = self.document["predicted_ratio"]
        return predicted if self.ratio is None else self.ratio

    @property
    def map50_95(self) -> float | None:
        value: float | None = self.document.get("map50_95")
        return value


@dataclass(frozen=True)
class Tried:
    """The candidates of a search, the fastest first: while it runs, those that it told of."""

    search: Search

    @cached_property
    def candidates(self) -> list[Candidate]:
        result = self.search.result
        documents = self.search.tried if result is None else result.get("candidates", [])
        found = [Candidate(one) for one in documents]
        return sorted(found, key=lambda one: (one.ratio is None, one.best_ratio))

    @property
    def measured(self) -> int:
        """How many of them were measured."""
        return sum(one.ratio is not None for one in self.candidates)

    @cached_property
    def front(self) -> set[str]:
        """Hashes of those that nothing beats on both figures: as the result says, before that
        among what has both."""
        if self.search.result is not None:
            return {one.hash for one in self.candidates if one.document.get("pareto")}
        known = [one for one in self.candidates if one.ratio is not None]
        return {one.hash for one in known if not _is_beaten(one, known)}

    @property
    def pareto_chart(self) -> SafeString | str:
        """Ratio against mAP on val: the Pareto set filled, the picks ringed, what is not measured
        dashed at its predicted ratio."""
        points = [
            Point(
                x=one.best_ratio,
                y=one.map50_95,
                told=f"{one.hash}: ratio {figures.number(one.best_ratio)}"
                f"{'' if one.ratio is not None else ' (predicted)'}, "
                f"mAP50-95 on val {figures.number(one.map50_95)}",
                strong=one.hash in self.front and one.ratio is not None,
                ring=bool(one.document.get("chosen")),
                rough=one.ratio is None,
            )
            for one in self.candidates
            if one.map50_95 is not None
        ]
        if len(points) < _FEWEST:
            return ""
        label = f"Latency ratio against mAP50-95 on val of {len(points)} mixes"
        return svg.scatter(
            points, x_name="latency ratio", y_name="mAP50-95 on val", label=label, joined=True
        )

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


def _is_beaten(one: Candidate, others: Sequence[Candidate]) -> bool:
    """Whether another is at least as good on both figures, and better on one."""
    if one.map50_95 is None:
        return True
    mine = (one.best_ratio, -one.map50_95)
    for other in others:
        if other.map50_95 is None:
            continue
        theirs = (other.best_ratio, -other.map50_95)
        if theirs != mine and theirs[0] <= mine[0] and theirs[1] <= mine[1]:
            return True
    return False
