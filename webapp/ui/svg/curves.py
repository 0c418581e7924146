"""The graph of an activation function, drawn from the catalog's own formula."""

from __future__ import annotations

from functools import cache

import numpy as np
from django.utils.safestring import SafeString

from devices.activations import get
from webapp.ui.svg.element import drawing, element

_HALF = 4.0  # the graph shows x in -4..4 and y in -2..4


@cache
def curve(activation: str) -> SafeString:
    """A small graph of the activation for x from -4 to 4.

    Raises:
        BadRequest: the catalog has no such activation.
    """
    entry = get(activation)
    x = np.linspace(-_HALF, _HALF, 97, dtype=np.float32)
    y = np.asarray(entry.function(x), dtype=np.float64)
    points = " ".join(
        f"{(a + _HALF) * 10:.1f},{(4 - b) * 10:.1f}"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
        if -2 <= b <= 4
    )
    return drawing(
        element("line", attributes={"class": "axis", "x1": 0, "x2": 80, "y1": 40, "y2": 40}),
        element("line", attributes={"class": "axis", "x1": 40, "x2": 40, "y1": 0, "y2": 60}),
        element(
            "polyline",
            attributes={
                "points": points,
                "fill": "none",
                "stroke": entry.colour,
                "stroke-width": 3,
                "stroke-linecap": "round",
                "stroke-linejoin": "round",
            },
        ),
        label=f"Graph of {entry.title}: {entry.formula}",
        width=80,
        height=60,
        css="curve",
    )
