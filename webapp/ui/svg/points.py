"""A small scatter: few points, two named axes, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from webapp.ui import figures
from webapp.ui.svg.element import Attribute, drawing, element

_WIDTH, _HEIGHT = 420.0, 244.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 26.0, 40.0


@dataclass(frozen=True)
class Point:
    """One point; ``strong`` is filled, ``ring`` has a ring, ``rough`` is dashed, ``name`` stands
    beside it, ``told`` is its title."""

    x: float
    y: float
    told: str
    strong: bool = False
    ring: bool = False
    rough: bool = False
    name: str = ""

    @property
    def css(self) -> str:
        return "rough" if self.rough else "dot" if self.strong else "faint"


def scatter(
    points: Sequence[Point], *, x_name: str, y_name: str, label: str, joined: bool = False
) -> SafeString:
    """The points on axes that end a little beyond them; the ends carry their figures.

    ``joined`` draws a line through the strong points, from left to right.
    """
    (left, right), (low, high) = _ends([p.x for p in points]), _ends([p.y for p in points])

    def place(point: Point) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * (point.x - left) / (right - left)
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (point.y - low) / (high - low))
        return x, y

    bottom = _HEIGHT - _BOTTOM
    shapes = [
        _line(_LEFT, bottom, _WIDTH - _RIGHT, bottom),
        _line(_LEFT, _TOP, _LEFT, bottom),
        _text(figures.number(left), _LEFT, bottom + 15, "start"),
        _text(figures.number(right), _WIDTH - _RIGHT, bottom + 15, "end"),
        _text(x_name, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "middle"),
        _text(figures.number(low), _LEFT - 6, bottom, "end"),
        _text(figures.number(high), _LEFT - 6, _TOP + 8, "end"),
        _text(y_name, _LEFT, _TOP - 12, "start"),  # above: no point lies there
    ]
    if joined:
        strong = sorted(place(point) for point in points if point.strong)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in strong)
        if len(strong) > 1:
            shapes.append(element("polyline", attributes={"class": "front", "points": path}))
    for point in points:
        x, y = place(point)
        if point.name:
            beyond = x > _WIDTH - _RIGHT - 7.0 * len(point.name) - 10
            side, anchor = (-9.0, "end") if beyond else (9.0, "start")
            shapes.append(_text(point.name, x + side, y + 4, anchor))
        if point.ring:
            ring: dict[str, Attribute] = {"class": "ring", "cx": x, "cy": y, "r": 8.0}
            shapes.append(element("circle", attributes=ring))
        dot: dict[str, Attribute] = {
            "class": point.css,
            "cx": x,
            "cy": y,
            "r": 4.0,
        }
        shapes.append(element("circle", element("title", point.told), attributes=dot))
    return drawing(*shapes, label=label, width=_WIDTH, height=_HEIGHT, css="points")


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    air = 0.08 * ((high - low) or abs(high) or 1.0)
    return low - air, high + air


def _line(x1: float, y1: float, x2: float, y2: float) -> SafeString:
    return element("line", attributes={"class": "axis", "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def _text(text: str, x: float, y: float, anchor: str) -> SafeString:
    return element(
        "text", text, attributes={"class": "tick", "x": x, "y": y, "text-anchor": anchor}
    )
