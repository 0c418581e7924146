"""Intervals as a forest plot: every row of a table is drawn on the same scale."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.safestring import SafeString

from webapp.ui import figures
from webapp.ui.svg.element import drawing, element

WIDTH = 120.0
HEIGHT = 18.0


def interval(
    value: float,
    *,
    low: float,
    high: float,
    scale: tuple[float, float],
    reference: float | None,
    label: str,
) -> SafeString:
    """A dot at ``value`` with a whisker from ``low`` to ``high`` on ``scale``.

    ``reference`` (1 for a ratio, the reference arm's mAP for an mAP) is a thin vertical line.
    A value outside the scale is a triangle at the edge that points to it.
    """
    first, last = scale
    width = (last - first) or 1.0

    def place(x: float) -> float:
        return 4 + (WIDTH - 8) * min(1.0, max(0.0, (x - first) / width))

    middle = HEIGHT / 2
    shapes = [_line("axis", (0, middle), (WIDTH, middle))]
    if reference is not None:
        shapes.append(_line("reference", (place(reference), 0), (place(reference), HEIGHT)))
    shapes += _mark(value, low, high, scale=scale, place=place)
    told = f"{label} {figures.number(value)}, 95 % interval {figures.span(low, high)}"
    return drawing(*shapes, label=told, width=WIDTH, height=HEIGHT, css="interval")


def _mark(
    value: float,
    low: float,
    high: float,
    *,
    scale: tuple[float, float],
    place: Callable[[float], float],
) -> list[SafeString]:
    middle = HEIGHT / 2
    if not scale[0] <= value <= scale[1]:
        tip, back = (0.0, 8.0) if value < scale[0] else (WIDTH, WIDTH - 8)
        points = f"{tip},{middle} {back},{middle - 5} {back},{middle + 5}"
        return [element("polygon", attributes={"class": "beyond", "points": points})]
    left, right = place(low), place(high)
    ends = "".join(f"M{x:.1f} {middle - 4:g}v8" for x in (left, right))
    path = f"M{left:.1f} {middle:g}H{right:.1f}{ends}"
    whisker = element("path", attributes={"class": "whisker", "d": path})
    dot = element("circle", attributes={"class": "dot", "cx": place(value), "cy": middle, "r": 3.2})
    return [whisker, dot]


def _line(css: str, start: tuple[float, float], end: tuple[float, float]) -> SafeString:
    return element(
        "line",
        attributes={"class": css, "x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]},
    )
