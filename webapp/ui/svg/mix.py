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
    """The bar: one unit of width a site; neighbours that agree are one rectangle."""
    n = len(activations)
    label = f"Activation mix of {n} sites: {words(activations)}"
    shapes = join(_stretch(name, start, stop, n) for name, start, stop in _stretches(activations))
    return drawing(shapes, label=label, width=max(1, n), height=1, css="mix-bar", stretch=True)


def _stretches(activations: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    start = 0
    for activation, group in groupby(activations):
        stop = start + sum(1 for _ in group)
        yield activation, start, stop
        start = stop


@lru_cache(maxsize=20_000)  # a list draws hundreds of the same ones
def _stretch(activation: str, start: int, stop: int, of: int) -> SafeString:
    where = f"site {stop}" if stop - start == 1 else f"sites {start + 1}\u2013{stop}"
    return element(
        "rect",
        element("title", f"{title(activation)}, {where} of {of}"),
        attributes={"x": start, "width": stop - start, "height": 1, "fill": colour(activation)},
    )


@lru_cache(maxsize=100)
def swatch(activation: str) -> SafeString:
    """A small square in the activation's colour; the name stands beside it, so it is hidden."""
    return element(
        "svg",
        element("rect", attributes={"width": 10, "height": 10, "fill": colour(activation)}),
        attributes={"class": "swatch", "viewBox": "0 0 10 10", "aria-hidden": "true"},
    )
