"""Intervals as a forest plot: every row of a table is drawn on the same scale."""

from __future__ import annotations

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
    What lies outside the scale ends at its edge.
    """
    first, last = scale
    width = (last - first) or 1.0

    def place(x: float) -> float:
        return 4 + (WIDTH - 8) * min(1.0, max(0.0, (x - first) / width))

    middle = HEIGHT / 2
    shapes = [
        element(
            "line",
            attributes={"class": "axis", "x1": 0, "x2": WIDTH, "y1": middle, "y2": middle},
        )
    ]
    if reference is not None:
        x = place(reference)
        shapes.append(
            element(
                "line",
                attributes={"class": "reference", "x1": x, "x2": x, "y1": 0, "y2": HEIGHT},
            )
        )
    shapes += [
        element(
            "line",
            attributes={
                "class": "whisker",
                "x1": place(low),
                "x2": place(high),
                "y1": middle,
                "y2": middle,
            },
        ),
        element("circle", attributes={"class": "dot", "cx": place(value), "cy": middle, "r": 3.5}),
    ]
    told = f"{label} {figures.number(value)}, 95 % interval {figures.span(low, high)}"
    return drawing(*shapes, label=told, width=WIDTH, height=HEIGHT, css="interval")
