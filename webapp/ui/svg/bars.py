"""Counts a day as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.safestring import SafeString

from webapp.ui.svg.element import Attribute, drawing, element

# Name of a series, which is its CSS class, and what it is called.
SERIES = {
    "finished": "Finished",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "open": "Still open",
}

_WIDTH, _HEIGHT = 640.0, 170.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 8.0, 10.0, 24.0
_GAP = 0.2  # of a day's width


def bars(days: Sequence[str], series: Mapping[str, Sequence[int]], *, what: str) -> SafeString:
    """A bar a day, the first series at the bottom; names of ``series`` are those in SERIES.

    ``what`` is counted, in the plural, for screen readers: "searches".
    """
    totals = [sum(counts) for counts in zip(*series.values(), strict=True)]
    most = max(totals, default=0)
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    unit = (bottom - _TOP) / max(most, 1)
    step = (right - _LEFT) / max(len(days), 1)
    shapes: list[SafeString] = []
    for value in sorted({0, most // 2, most}):
        y = bottom - value * unit
        line: dict[str, Attribute] = {"x1": _LEFT, "x2": right, "y1": y, "y2": y}
        shapes.append(element("line", attributes={"class": "grid", **line}))
        place: dict[str, Attribute] = {"x": _LEFT - 6, "y": y + 3.5, "text-anchor": "end"}
        shapes.append(element("text", f"{value:,}", attributes={"class": "tick", **place}))
    for index, day in enumerate(days):
        y = bottom
        for name, counts in series.items():
            height = counts[index] * unit
            if not height:
                continue
            y -= height
            box: dict[str, Attribute] = {
                "class": name,
                "x": _LEFT + (index + _GAP / 2) * step,
                "width": step * (1 - _GAP),
                "y": y,
                "height": height,
            }
            said = element("title", f"{day}: {counts[index]:,} {SERIES[name].lower()}")
            shapes.append(element("rect", said, attributes=box))
    for day, x, anchor in ((days[0], _LEFT, "start"), (days[-1], right, "end")) if days else ():
        corner: dict[str, Attribute] = {"x": x, "y": _HEIGHT - 6, "text-anchor": anchor}
        shapes.append(element("text", day, attributes={"class": "tick", **corner}))
    label = f"{sum(totals):,} {what} in {len(days)} days; the most on one day: {most:,}"
    return drawing(*shapes, label=label, width=_WIDTH, height=_HEIGHT, css="bars")
