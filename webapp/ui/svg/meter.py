"""A figure as a bar on the scale of its column, with a whisker to a second one."""

from __future__ import annotations

from django.utils.safestring import SafeString

from webapp.ui.svg.element import drawing, element

WIDTH = 160.0
HEIGHT = 14.0


def meter(value: float, *, most: float, label: str, upto: float | None = None) -> SafeString:
    """A bar from 0 to ``value`` where the whole width is ``most``; a whisker ends at ``upto``."""
    scale = WIDTH / most if most > 0 else 0.0

    def place(x: float) -> float:
        return min(WIDTH, max(0.0, x * scale))

    middle = HEIGHT / 2
    shapes = [
        element(
            "rect", attributes={"class": "track", "y": 3, "width": WIDTH, "height": HEIGHT - 6}
        ),
        element(
            "rect",
            attributes={"class": "value", "y": 3, "width": place(value), "height": HEIGHT - 6},
        ),
    ]
    if upto is not None:
        end = max(1.0, place(upto) - 1)
        for line in (
            {"x1": place(value), "x2": end, "y1": middle, "y2": middle},
            {"x1": end, "x2": end, "y1": 1.0, "y2": HEIGHT - 1},
        ):
            shapes.append(element("line", attributes={"class": "upto", **line}))
    return drawing(*shapes, label=label, width=WIDTH, height=HEIGHT, css="meter")
