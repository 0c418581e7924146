"""The network from input to head, and the map of sites against activations."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from webapp.ui.svg.element import drawing, element, join
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
    block = None
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
                    "rx": 1.5,
                    "fill": colour(site.activation),
                },
            )
        )
        if site.block != block:
            block = site.block
            shapes.append(
                element(
                    "text",
                    block,
                    attributes={
                        "class": "tick",
                        "x": index * _STEP + _STEP / 2,
                        "y": _TALL + _LABELS - 3,
                        "text-anchor": "middle",
                    },
                )
            )
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


_CELL = 14.0
_NAME = 84.0


def site_map(
    sites: Sequence[DrawnSite],
    *,
    candidates: Sequence[str],
    costs: Mapping[tuple[str, str], float],
) -> SafeString:
    """Sites across, candidates down; the chosen cell is filled.

    ``costs`` are milliseconds per (site, activation) against the original; where a cost is known
    the cell holds a small square, the larger the cheaper it is than the dearest of its site.
    """
    rows: list[SafeString] = []
    for row, candidate in enumerate(candidates):
        y = row * _CELL
        rows.append(
            element(
                "text",
                title(candidate),
                attributes={
                    "class": "row-name",
                    "x": _NAME - 8,
                    "y": y + _CELL - 3.5,
                    "text-anchor": "end",
                },
            )
        )
        for column, site in enumerate(sites):
            rows.append(_cell(site, candidate, column=column, y=y, costs=costs))
    block = None
    for column, site in enumerate(sites):
        if site.block != block:
            block = site.block
            rows.append(
                element(
                    "text",
                    block,
                    attributes={
                        "class": "tick",
                        "x": _NAME + column * _CELL + _CELL / 2,
                        "y": len(candidates) * _CELL + 13,
                        "text-anchor": "middle",
                    },
                )
            )
    label = f"Map of {len(sites)} sites against {len(candidates)} activations; " + words(
        [site.activation for site in sites]
    )
    return drawing(
        join(rows),
        label=label,
        width=_NAME + len(sites) * _CELL,
        height=len(candidates) * _CELL + 16,
        css="site-map",
    )


def _cell(
    site: DrawnSite,
    candidate: str,
    *,
    column: int,
    y: float,
    costs: Mapping[tuple[str, str], float],
) -> SafeString:
    chosen = site.activation == candidate
    cost = costs.get((site.path, candidate))
    told = f"{site.path}: {title(candidate)}" + (" (chosen)" if chosen else "")
    if cost is not None:
        told += f", {cost:+.4f} ms against the original".replace("-", "\u2212")
    return element(
        "rect",
        element("title", told),
        attributes={
            "class": "chosen" if chosen else "cell",
            "x": _NAME + column * _CELL + 1,
            "y": y + 1,
            "width": _CELL - 2,
            "height": _CELL - 2,
            "rx": 1.5,
            "fill": colour(candidate) if chosen else None,
        },
    )
