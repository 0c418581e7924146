"""A figure of every (site, activation) as a heat map: the stronger the shade, the more it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django.utils.safestring import SafeString

from webapp.ui.svg.element import Attribute, drawing, element
from webapp.ui.svg.mix import colour, title
from webapp.ui.svg.network import DrawnSite, block_names

_CELL = 14.0
_NAME = 84.0
_LEGEND = 22.0
_STEPS = 7
_PALEST, _DARKEST = 0.05, 0.92


def heat_map(
    sites: Sequence[DrawnSite],
    *,
    candidates: Sequence[str],
    values: Mapping[tuple[str, str], float],
    told: Callable[[float], str],
    what: str,
) -> SafeString:
    """Sites across, candidates down; ``values`` per (site path, activation), lower is better.

    Shades run from the lowest to the highest value of the map, whose ends stand in the legend as
    ``told`` writes them. A pair without a value is left empty; the chosen one has a frame in its
    activation's colour. ``what`` is said to screen readers.
    """
    known = list(values.values())
    low, high = (min(known), max(known)) if known else (0.0, 0.0)

    def shade(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.0
        return _PALEST + (_DARKEST - _PALEST) * share

    shapes: list[SafeString] = []
    for row, candidate in enumerate(candidates):
        y = row * _CELL
        shapes.append(_row_name(title(candidate), y))
        for column, site in enumerate(sites):
            value = values.get((site.path, candidate))
            chosen = site.activation == candidate
            said = f"{site.path} {title(candidate)}" + (", chosen" if chosen else "")
            said += f", {told(value)}" if value is not None else ", not known"
            shapes.append(
                element(
                    "rect",
                    element("title", said),
                    attributes={
                        "class": "heat" if value is not None else "unknown",
                        "x": _NAME + column * _CELL + 1.5,
                        "y": y + 1.5,
                        "width": _CELL - 3,
                        "height": _CELL - 3,
                        "fill-opacity": None if value is None else shade(value),
                        "stroke": colour(candidate) if chosen else None,
                    },
                )
            )
    bottom = len(candidates) * _CELL
    shapes += block_names(sites, step=_CELL, left=_NAME, y=bottom + 13)
    width = _NAME + len(sites) * _CELL
    if known:
        shapes += _legend(told(low), told(high), y=bottom + 20, shade=shade, ends=(low, high))
    return drawing(
        *shapes,
        label=f"{what}: from {told(low)} to {told(high)}" if known else f"{what}: not known",
        width=max(width, 420.0),
        height=bottom + 16 + (_LEGEND if known else 0),
        css="site-map",
    )


def _row_name(text: str, y: float) -> SafeString:
    where: dict[str, Attribute] = {"x": _NAME - 8, "y": y + _CELL - 3.5, "text-anchor": "end"}
    return element("text", text, attributes={"class": "row-name", **where})


def _legend(
    first: str,
    last: str,
    *,
    y: float,
    shade: Callable[[float], float],
    ends: tuple[float, float],
) -> list[SafeString]:
    """A ramp of shades from the map's lowest value to its highest."""
    low, high = ends
    shapes = []
    for step in range(_STEPS):
        value = low + (high - low) * step / (_STEPS - 1)
        shapes.append(
            element(
                "rect",
                attributes={
                    "class": "heat",
                    "x": _NAME + step * _CELL + 1.5,
                    "y": y + 2,
                    "width": _CELL - 3,
                    "height": _CELL - 5,
                    "fill-opacity": shade(value),
                },
            )
        )
    right = _NAME + _STEPS * _CELL + 8
    text = {"y": y + 10}
    shapes.append(
        element(
            "text",
            first,
            attributes={"class": "row-name", "x": _NAME - 8, "text-anchor": "end", **text},
        )
    )
    shapes.append(element("text", last, attributes={"class": "row-name", "x": right, **text}))
    return shapes
