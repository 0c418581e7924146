"""The published figures for one model on one target, from a finished search: the uniform models,
how well the estimator ranked, and what every single swap costs and loses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString

from devices.targets import Target, get
from webapp.searches.models import Search
from webapp.searches.swaps import Sensitivity, Swaps, in_order
from webapp.searches.tried import Tried
from webapp.ui import figures, svg
from webapp.ui.svg.network import DrawnSite
from webapp.ui.svg.points import Point

_ORIGINAL = "reference"
_FEWEST = 2  # points that make a chart


@dataclass(frozen=True)
class StudyArm:
    """One model of the study as result.json holds it."""

    document: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def activations(self) -> list[str]:
        choices: list[list[str]] = self.document["assignment"]["choices"]
        return [activation for _, activation in choices]

    @property
    def is_mix(self) -> bool:
        return self.name.partition(":")[0] == "mix"


@dataclass(frozen=True)
class Study:
    """What a search with a result says of its model and target."""

    search: Search

    @property
    def target(self) -> Target:
        return get(self.search.target)

    @property
    def result(self) -> dict[str, Any]:
        assert self.search.result is not None
        return self.search.result

    @cached_property
    def arms(self) -> list[StudyArm]:
        """The original, the uniform models and the mixes, the fastest first."""
        found = [StudyArm(one) for one in self.result["arms"] if one["latency_ms"] is not None]
        kept = [
            one
            for one in found
            if one.name == _ORIGINAL or one.is_mix or one.name.startswith("uniform:")
        ]
        return sorted(kept, key=lambda one: one.document["latency_ms"])

    @property
    def uniform_chart(self) -> SafeString | str:
        """Latency against mAP of the uniform models and the mixes, filled; "" without mAP."""
        points = [
            Point(
                x=one.document["latency_ms"],
                y=one.document["map50_95"],
                told=f"{_short(one)}: {figures.ms(one.document['latency_ms'])}, "
                f"mAP50-95 {figures.number(one.document['map50_95'])}",
                strong=one.is_mix,
                name=_short(one),
            )
            for one in self.arms
            if one.document["map50_95"] is not None
        ]
        if len(points) < _FEWEST:
            return ""
        label = f"Latency in ms against mAP50-95 of {len(points)} models on {self.target.title}"
        return svg.scatter(points, x_name="latency, ms", y_name="mAP50-95", label=label)

    @property
    def tried(self) -> Tried:
        return Tried(self.search)

    @cached_property
    def _original(self) -> dict[str, str]:
        return {site["path"]: site["activation"] for site in self.result["sites"]}

    @cached_property
    def sites(self) -> list[DrawnSite]:
        """The sites with what the best mix runs there; with the original where there is none."""
        mixes = {one.name: one for one in self.arms if one.is_mix}
        named = mixes.get(self.result["verdict"]["chosen"]) or next(iter(mixes.values()), None)
        runs = dict(named.document["assignment"]["choices"]) if named else self._original
        return [
            DrawnSite(
                path=site["path"],
                activation=runs[site["path"]],
                shape=tuple(site["shape"]) if site["shape"] else None,
            )
            for site in self.result["sites"]
        ]

    @cached_property
    def used(self) -> list[str]:
        own = [site.activation for site in self.sites]
        return in_order([*self.search.request.activations, *own, *self._original.values()])

    @cached_property
    def swaps(self) -> Swaps:
        return Swaps(self.result, self._original)

    @property
    def sensitivity(self) -> Sensitivity | None:
        return self.swaps.sensitivity

    @property
    def cost_map(self) -> SafeString | str:
        return self.swaps.cost_map(self.sites, self.used)

    @property
    def sensitivity_map(self) -> SafeString | str:
        return self.swaps.sensitivity_map(self.sites, self.used)


def _short(arm: StudyArm) -> str:
    """A name that fits beside a point: ``ReLU``, ``Mix 2``, ``Original``."""
    head, _, tail = arm.name.partition(":")
    if head == "uniform":
        return svg.title(tail)
    return "Original" if arm.name == _ORIGINAL else f"{head.capitalize()} {tail}".strip()
