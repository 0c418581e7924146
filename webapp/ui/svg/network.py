"""The network from input to head, one column a site."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from webapp.ui.svg.element import drawing, element
from webapp.ui.svg.mix import colour, title, words


@dataclass(frozen=True)
class DrawnSite:
    """A site as the drawings need it: ``shape`` is (channels, height, width) where known."""

    path: str
    activation: str
    shape: tuple[int, int, int] | None = None

    @property
    def block(self) -> str:
        """The top-level module it belongs to: ``4`` of ``model.4.m.0.cv1.act``."""
        match = re.match(r"(?:model\.)?(\d+)\b", self.path)
        return match.group(1) if match else ""

    @property
    def size(self) -> str:
        """``64×40×40``: channels, height, width of the output."""
        return "\u00d7".join(str(n) for n in self.shape) if self.shape else ""

    @property
    def told(self) -> str:
        size = f", output {self.size}" if self.size else ""
        return f"{self.path}: {title(self.activation)}{size}"


def block_names(
    sites: Sequence[DrawnSite], *, step: float, left: float, y: float
) -> list[SafeString]:
    """The number of each block under its first site; one that would touch the last is left out."""
    names = []
    block, end = None, -1.0
    for index, site in enumerate(sites):
        if site.block == block:
            continue
        block = site.block
        x, half = left + (index + 0.5) * step, 3.2 * len(block)
        if x - half < end + 3:
            continue
        end = x + half
        names.append(
            element(
                "text",
                block,
                attributes={"class": "tick", "x": x, "y": y, "text-anchor": "middle"},
            )
        )
    return names


_STEP = 14.0
_TALL = 96.0
_LABELS = 16.0


def _height(site: DrawnSite, largest: int) -> float:
    """Taller where the feature map is larger, so that the drawing has the network's outline."""
    if site.shape is None:
        return 0.55 * _TALL
    return _TALL * max(0.18, math.sqrt(site.shape[1] / largest))


def strip(sites: Sequence[DrawnSite]) -> SafeString:
    """One column a site, input at the left; height follows the height of its output map."""
    largest = max((site.shape[1] for site in sites if site.shape), default=1)
    shapes: list[SafeString] = []
    for index, site in enumerate(sites):
        height = _height(site, largest)
        shapes.append(
            element(
                "rect",
                element("title", site.told),
                attributes={
                    "x": index * _STEP + 1,
                    "y": (_TALL - height) / 2,
                    "width": _STEP - 2,
                    "height": height,
                    "fill": colour(site.activation),
                },
            )
        )
    shapes += block_names(sites, step=_STEP, left=0, y=_TALL + _LABELS - 3)
    label = f"Network from input to head, {len(sites)} sites: " + words(
        [site.activation for site in sites]
    )
    return drawing(
        *shapes,
        label=label,
        width=max(1.0, len(sites) * _STEP),
        height=_TALL + _LABELS,
        css="strip",
    )
