"""How long a search takes: what those before it took, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from webapp.catalog.models import DataSet
from webapp.jobs.choices import State
from webapp.searches.choices import StageState
from webapp.searches.models import Search, SearchRequest

_LATEST = 60  # finished searches that are looked at
_PER_TARGET = 10  # ... and count for one target
_TRAINING = {"training", "arms"}  # stages that take longer with more images and epochs
_FACTOR = (0.1, 10.0)  # beyond that, history says nothing


@dataclass(frozen=True)
class Work:
    """What makes a training long. ``images`` is None without a data set, 0 where not known;
    ``epochs`` is None for the recipe's own number."""

    images: int | None = None
    epochs: int | None = None

    def against(self, other: Work) -> float:
        """How many times as much this is; what is not known on both sides counts as equal."""
        factor = 1.0
        if self.images and other.images:
            factor *= self.images / other.images
        if self.epochs and other.epochs:
            factor *= self.epochs / other.epochs
        return min(max(factor, _FACTOR[0]), _FACTOR[1])


@dataclass(frozen=True)
class Pace:
    """Per target: the seconds of each stage in the latest finished searches like this one."""

    past: Mapping[str, list[dict[str, float]]]

    def count(self, target: str) -> int:
        """From how many searches the target's figures come."""
        return len(self.past.get(target, []))

    def stage_s(self, target: str, stage: str) -> float:
        """The stage's median, 0 where no search had it."""
        found = [one[stage] for one in self.past.get(target, []) if stage in one]
        return median(found) if found else 0.0

    def total_s(self, target: str) -> float | None:
        """The median of whole searches; None without history."""
        found = [sum(one.values()) for one in self.past.get(target, [])]
        return median(found) if found else None

    def remaining_s(self, target: str, stages: Sequence[Mapping[str, Any]]) -> float | None:
        """What is left of a search whose rows of stages these are; None without history."""
        if not self.count(target):
            return None
        if not stages:
            return self.total_s(target)
        return sum(
            (1.0 - stage["fraction"]) * self.stage_s(target, stage["name"])
            for stage in stages
            if stage["state"] != StageState.FINISHED
        )


def work_of(request: SearchRequest) -> Work:
    """The work in a request."""
    return work(request.data_set, epochs=request.epochs)


def work(data_set: DataSet | None, *, epochs: int | None) -> Work:
    """The work of a search on ``data_set``."""
    images = None if data_set is None else data_set.images.get("train", 0)
    return Work(images, epochs)


def pace_of(targets: Sequence[str], *, recipe: str, work: Work) -> Pace:
    """The pace of searches on ``targets``, from those of the same recipe, with or without a data
    set as this one. Stages that train are scaled by images and epochs. One query."""
    finished = (
        Search.objects.filter(
            target__in=targets,
            request__recipe=recipe,
            request__data_set__isnull=work.images is None,
            job__state=State.FINISHED,
        )
        .select_related("request__data_set")
        .only("target", "stages", "request__epochs", "request__data_set__images")
        .order_by("-job__ended")[:_LATEST]
    )
    past: dict[str, list[dict[str, float]]] = {}
    for search in finished:
        known = past.setdefault(search.target, [])
        seconds = _seconds(search, work)
        if seconds and len(known) < _PER_TARGET:
            known.append(seconds)
    return Pace(past)


def _seconds(search: Search, wanted: Work) -> dict[str, float]:
    factor = wanted.against(work_of(search.request))
    return {
        stage["name"]: stage["seconds"] * (factor if stage["name"] in _TRAINING else 1.0)
        for stage in search.stages
        if stage["seconds"] is not None
    }
