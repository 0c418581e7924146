"""Ratios over time that should be 1: a model against itself, or against its own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from webapp.ui import figures
from webapp.ui.svg.element import Attribute, drawing, element

_WIDTH, _HEIGHT = 640.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 10.0, 24.0


@dataclass(frozen=True)
class Check:
    """One ratio with its 95 % interval."""

    at: datetime
    ratio: float
    low: float
    high: float


def drift(checks: Sequence[Check], *, band: float, what: str = "A/A ratios") -> SafeString:
    """The checks from old to new with their whiskers, the line at 1, and ``band`` around it.

    Checks stand at equal distances: what counts is their order, and searches come in bursts.
    """
    reach = max([band, 0.002, *(abs(end - 1) for c in checks for end in (c.low, c.high))]) * 1.1

    def y(ratio: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (ratio - 1 + reach) / (2 * reach))

    right = _WIDTH - _RIGHT
    step = (right - _LEFT) / max(1, len(checks))
    area = {
        "x": _LEFT,
        "width": right - _LEFT,
        "y": y(1 + band),
        "height": y(1 - band) - y(1 + band),
    }
    shapes = [element("rect", attributes={"class": "band", **area})]
    for value in (1 + band, 1.0, 1 - band) if band else (1.0,):
        where: dict[str, Attribute] = {"x1": _LEFT, "x2": right, "y1": y(value), "y2": y(value)}
        shapes.append(
            element("line", attributes={"class": "one" if value == 1 else "grid", **where})
        )
        place: dict[str, Attribute] = {"x": _LEFT - 6, "y": y(value) + 3.5, "text-anchor": "end"}
        shapes.append(
            element("text", figures.number(value, 4), attributes={"class": "tick", **place})
        )
    for index, check in enumerate(checks):
        x = _LEFT + (index + 0.5) * step
        said = (
            f"{check.at:%Y-%m-%d %H:%M} UTC: {figures.number(check.ratio, 4)} "
            f"({figures.span(check.low, check.high, 4)})"
        )
        whisker = {"x1": x, "x2": x, "y1": y(check.low), "y2": y(check.high)}
        shapes.append(element("line", attributes={"class": "whisker", **whisker}))
        dot: dict[str, Attribute] = {"class": "dot", "cx": x, "cy": y(check.ratio), "r": 3.0}
        shapes.append(element("circle", element("title", said), attributes=dot))
    for check, x, anchor in (
        [(checks[0], _LEFT, "start"), (checks[-1], right, "end")] if len(checks) > 1 else []
    ):
        corner: dict[str, Attribute] = {"x": x, "y": _HEIGHT - 6, "text-anchor": anchor}
        shapes.append(
            element("text", f"{check.at:%Y-%m-%d}", attributes={"class": "tick", **corner})
        )
    label = f"{len(checks)} {what} from old to new; the band is 1 +- {figures.percent(band, 2)}"
    return drawing(*shapes, label=label, width=_WIDTH, height=_HEIGHT, css="drift")
