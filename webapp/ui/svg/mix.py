"""The activation mix of a model: a bar with the sites in order, each in its activation's colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from itertools import groupby

from django.utils.safestring import SafeString

from devices.activations import CATALOG
from webapp.ui.svg.element import element

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
    """The bar: one unit of width a site, one path an activation.

    Lists draw many of them, so that it is written out here and not made of elements.
    """
    n = len(activations)
    stretches: dict[str, str] = {}
    start = 0
    for activation, neighbours in groupby(activations):
        width = len(list(neighbours))
        path = f"M{start} 0h{width}v1h-{width}z"
        stretches[activation] = stretches.get(activation, "") + path
        start += width
    paths = "".join(
        [
            f'<path d="{path}" fill="{colour(name)}">'
            f"<title>{_shown(name)}, {activations.count(name)} of {n} sites</title></path>"
            for name, path in stretches.items()
        ]
    )
    return SafeString(
        f'<svg class="mix-bar" viewBox="0 0 {max(1, n)} 1" preserveAspectRatio="none" role="img" '
        f'aria-label="Activation mix of {n} sites: {escape(words(activations))}">{paths}</svg>'
    )


@lru_cache(maxsize=100)
def _shown(activation: str) -> str:
    """Its title, with nothing in it that ends a text or an attribute."""
    return escape(title(activation))


@lru_cache(maxsize=100)
def swatch(activation: str) -> SafeString:
    """A small square in the activation's colour; the name stands beside it, so it is hidden."""
    return element(
        "svg",
        element("rect", attributes={"width": 10, "height": 10, "fill": colour(activation)}),
        attributes={"class": "swatch", "viewBox": "0 0 10 10", "aria-hidden": "true"},
    )
