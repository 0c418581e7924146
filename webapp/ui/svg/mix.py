"""The activation mix of a model: a bar with the sites in order, each in its activation's colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from django.utils.safestring import SafeString

from devices.activations import CATALOG
from webapp.ui.svg.element import drawing, element, join

UNKNOWN_COLOUR = "#888888"


def title(activation: str) -> str:
    """How people write the activation: ``LeakyReLU``."""
    entry = CATALOG.get(activation)
    return entry.title if entry else activation


def colour(activation: str) -> str:
    """The activation's colour in every drawing."""
    entry = CATALOG.get(activation)
    return entry.colour if entry else UNKNOWN_COLOUR


def counts(activations: Sequence[str]) -> list[tuple[str, str, int]]:
    """``(name, title, number of sites)``, most used first."""
    return [(name, title(name), n) for name, n in Counter(activations).most_common()]


def words(activations: Sequence[str]) -> str:
    """``ReLU 36, SiLU 21``."""
    return ", ".join(f"{name} {n}" for _, name, n in counts(activations))


def bar(activations: Sequence[str]) -> SafeString:
    """The bar: one unit of width a site, one path an activation (lists draw many of them)."""
    n = len(activations)
    label = f"Activation mix of {n} sites: {words(activations)}"
    stretches: dict[str, list[str]] = {}
    for activation, start, width in _stretches(activations):
        stretches.setdefault(activation, []).append(f"M{start} 0h{width}v1h-{width}z")
    shapes = (
        element(
            "path",
            element("title", f"{title(name)}, {activations.count(name)} of {n} sites"),
            attributes={"d": "".join(parts), "fill": colour(name)},
        )
        for name, parts in stretches.items()
    )
    return drawing(
        join(shapes), label=label, width=max(1, n), height=1, css="mix-bar", stretch=True
    )


def _stretches(activations: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Neighbours that agree: ``(activation, first site, number of sites)``."""
    start = 0
    for activation, group in groupby(activations):
        width = sum(1 for _ in group)
        yield activation, start, width
        start += width


@lru_cache(maxsize=100)
def swatch(activation: str) -> SafeString:
    """A small square in the activation's colour; the name stands beside it, so it is hidden."""
    return element(
        "svg",
        element("rect", attributes={"width": 10, "height": 10, "fill": colour(activation)}),
        attributes={"class": "swatch", "viewBox": "0 0 10 10", "aria-hidden": "true"},
    )
