"""Intervals as a forest plot: every row of a table is drawn on the same scale."""

from __future__ import annotations

from html import escape

from django.utils.safestring import SafeString

from webapp.ui import figures

WIDTH, HEIGHT, MIDDLE = 120, 18, 9
_AXIS = f'<line class="axis" x1="0" y1="{MIDDLE}" x2="{WIDTH}" y2="{MIDDLE}"/>'


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
    A value outside the scale is a triangle at the edge that points to it. Lists draw many of them,
    so that it is written out here and not made of elements.
    """
    first, last = scale
    width = (last - first) or 1.0

    def place(x: float) -> float:
        return 4 + (WIDTH - 8) * min(1.0, max(0.0, (x - first) / width))

    shapes = _AXIS
    if reference is not None:
        x = f"{place(reference):.1f}"
        shapes += f'<line class="reference" x1="{x}" y1="0" x2="{x}" y2="{HEIGHT}"/>'
    if first <= value <= last:
        left, right = f"{place(low):.1f}", f"{place(high):.1f}"
        path = f"M{left} {MIDDLE}H{right}M{left} {MIDDLE - 4}v8M{right} {MIDDLE - 4}v8"
        shapes += f'<path class="whisker" d="{path}"/>'
        shapes += f'<circle class="dot" cx="{place(value):.1f}" cy="{MIDDLE}" r="3.2"/>'
    else:
        tip, back = (0, 8) if value < first else (WIDTH, WIDTH - 8)
        points = f"{tip},{MIDDLE} {back},{MIDDLE - 5} {back},{MIDDLE + 5}"
        shapes += f'<polygon class="beyond" points="{points}"/>'
    told = f"{label} {figures.number(value)}, 95 % interval {figures.span(low, high)}"
    return SafeString(
        f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(told)}">{shapes}</svg>'
    )
