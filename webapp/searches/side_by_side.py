"""Two searches for the same model, target and data set, say with different recipes, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Sum
from django.utils.safestring import SafeString

from engine.hypervolume import REFERENCE_POINT, area
from webapp.errors import NotReady
from webapp.searches.cross import CROSS
from webapp.searches.models import Measurement, Search, SearchRequest
from webapp.searches.study import Study, StudyArm
from webapp.searches.tried import Tried
from webapp.ui import figures, svg
from webapp.ui.svg.points import Point

_MOST = 12  # others that are offered
_ASKED = {
    "recipe": "recipe",
    "max_latency_ratio": "latency goal",
    "max_memory_ratio": "memory limit",
    "max_map_loss": "accuracy limit",
    "epochs": "epochs",
    "distil": "teacher",
    "augment": "augmentation",
    "cost_model": "cost model",
    "unit": "one choice for",
    "activations": "activations",
    "imgsz": "image size",
    "seed": "seed",
}


@dataclass(frozen=True)
class Side:
    """One of the two searches."""

    search: Search
    device_s: float  # on the device, without what was measured across targets

    @property
    def asked(self) -> SearchRequest:
        return self.search.request

    @property
    def title(self) -> str:
        return f"{self.asked.name}, {self.asked.get_recipe_display()}"

    @cached_property
    def result(self) -> dict[str, Any]:
        assert self.search.result is not None
        return self.search.result

    @cached_property
    def picks(self) -> list[StudyArm]:
        """The mixes that it trained, exported and measured, the fastest first."""
        return [one for one in Study(self.search).arms if one.is_mix]

    @property
    def tried(self) -> Tried:
        return Tried(self.search)

    @property
    def estimator(self) -> str:
        """What priced its swaps."""
        named = [one["estimator"] for one in self.result["estimates"] if one.get("penalty")]
        return named[-1] if named else ""

    @property
    def training_s(self) -> float | None:
        facts = self.result.get("training")
        return facts["seconds"] if facts else None

    @property
    def total_s(self) -> float:
        """All stages together, waiting included."""
        return float(sum(self.result["stages_s"].values()))

    @property
    def area(self) -> float | None:
        """Hypervolume of its picks; None where they have no loss."""
        points = [
            (one.document["latency_ratio"], one.document["loss"])
            for one in self.picks
            if one.document["loss"] is not None and one.document["latency_ratio"] is not None
        ]
        return area(points) if points else None


@dataclass(frozen=True)
class Pair:
    """The two sides, in the order of the address."""

    sides: Sequence[Side]

    @property
    def reference(self) -> str:
        """The point that the areas are measured to, in words."""
        ratio, loss = REFERENCE_POINT
        return f"latency ratio {figures.number(ratio, 2)}, loss {figures.number(loss, 2)}"

    @property
    def unlike(self) -> list[str]:
        """In what else the two requests differ, beside the recipe."""
        first, second = (side.asked for side in self.sides)
        return [
            words
            for name, words in _ASKED.items()
            if name != "recipe" and getattr(first, name) != getattr(second, name)
        ]

    @property
    def chart(self) -> SafeString | str:
        """Ratio against loss of both sides' picks: the first filled, the second hollow."""
        points = [
            Point(
                x=one.document["latency_ratio"],
                y=one.document["loss"],
                told=f"{side.title}, {one.name}: ratio "
                f"{figures.number(one.document['latency_ratio'])}, "
                f"loss {figures.signed(one.document['loss'])}",
                strong=side is self.sides[0],
                name=side.asked.recipe,
            )
            for side in self.sides
            for one in side.picks
            if one.document["loss"] is not None
        ]
        if len(points) < len(self.sides):
            return ""
        label = f"Latency ratio against loss of the {len(points)} picks of both searches"
        return svg.scatter(points, x_name="latency ratio", y_name="loss, mAP50-95", label=label)


def like(search: Search, *, reader: User | AnonymousUser) -> list[Search]:
    """Other finished searches for the same model, target and data set that ``reader`` may see,
    those with another recipe first."""
    asked = search.request
    found = (
        Search.objects.filter(
            request__in=SearchRequest.objects.visible_to(reader),
            target=search.target,
            request__detector__sha256=asked.detector.sha256,
            result__isnull=False,
        )
        .exclude(pk=search.pk)
        .select_related("request__owner", "request__data_set")
        .defer("result", "stages", "tried")
        .order_by("-request__created")
    )
    version = asked.data_set.version if asked.data_set else None
    same = [one for one in found[:200] if _version(one) == version]
    return sorted(same, key=lambda one: one.request.recipe == asked.recipe)[:_MOST]


def pair(first: Search, second: Search) -> Pair:
    """Both with the seconds that they spent on the device.

    Raises:
        NotReady: one is not finished, or they are not of the same model, target and data set.
    """
    for one in (first, second):
        if one.result is None:
            raise NotReady(f"search {one.pk} is {one.state} and has no result to compare")
    for what, of in (
        ("model", lambda one: one.request.detector.sha256),
        ("target", lambda one: one.target),
        ("data set", _version),
    ):
        if of(first) != of(second):
            raise NotReady(f"searches {first.pk} and {second.pk} are not for the same {what}")
    spent = dict(
        Measurement.objects.filter(search__in=[first, second])
        .exclude(document__id=CROSS)
        .values_list("search")
        .annotate(s=Sum("job__device_s"))
        .order_by()
    )
    return Pair([Side(one, spent.get(one.pk) or 0.0) for one in (first, second)])


def _version(search: Search) -> str | None:
    data_set = search.request.data_set
    return data_set.version if data_set else None
