"""Raw latency samples as two distributions on one axis: the baseline and the model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.utils.safestring import SafeString

from webapp.ui import figures
from webapp.ui.svg.element import drawing, element

_WIDTH = 960.0
_ROW = 74.0
_AXIS = 26.0


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _ticks(low: float, high: float) -> list[float]:
    """Five or so round numbers between the ends."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]


def distribution(rows: Sequence[tuple[str, Sequence[float]]], *, bins: int = 96) -> SafeString:
    """A histogram a row on a shared axis in ms, with the median marked.

    The axis ends at the 99th percentile of the slower row; later samples count in the last bin,
    and the label says how many samples each row has.
    """
    ordered = [(name, sorted(samples)) for name, samples in rows if samples]
    if not ordered:
        return element("span")
    low = min(samples[0] for _, samples in ordered)
    high = max(_quantile(samples, 0.99) for _, samples in ordered)
    low, high = low - 0.02 * (high - low), high + 0.02 * (high - low)
    if high <= low:
        low, high = low - 0.5, high + 0.5

    def place(x: float) -> float:
        return _WIDTH * min(1.0, max(0.0, (x - low) / (high - low)))

    shapes = []
    bottom = _ROW * len(ordered)
    for tick in _ticks(low, high):
        x = place(tick)
        shapes.append(
            element("line", attributes={"class": "grid", "x1": x, "x2": x, "y1": 0, "y2": bottom})
        )
        if 14 < x < _WIDTH - 14:
            shapes.append(
                element(
                    "text",
                    f"{tick:g} ms",
                    attributes={
                        "class": "tick",
                        "x": x,
                        "y": bottom + 17,
                        "text-anchor": "middle",
                    },
                )
            )
    told = []
    for row, (name, samples) in enumerate(ordered):
        base = _ROW * (row + 1)
        counts = [0] * bins
        for sample in samples:
            counts[min(bins - 1, int(place(sample) / _WIDTH * bins))] += 1
        most = max(counts)
        step = _WIDTH / bins
        points = [f"0,{base:.1f}"]
        for i, n in enumerate(counts):
            y = base - (_ROW - 24) * n / most
            points += [f"{i * step:.1f},{y:.1f}", f"{(i + 1) * step:.1f},{y:.1f}"]
        points.append(f"{_WIDTH:.1f},{base:.1f}")
        css = "baseline" if row == 0 else "model"
        median = _quantile(samples, 0.5)
        x, top = place(median), base - _ROW
        shapes += [
            element("polygon", attributes={"class": css, "points": " ".join(points)}),
            element(
                "line",
                attributes={
                    "class": "median",
                    "x1": x,
                    "x2": x,
                    "y1": base - _ROW + 18,
                    "y2": base,
                },
            ),
            element(
                "text",
                f"{name}, median {figures.ms(median)}",
                attributes={
                    "class": "row-name",
                    "x": min(max(x, 4), _WIDTH - 4),
                    "y": top + 13,
                    "text-anchor": "start" if x < _WIDTH / 2 else "end",
                },
            ),
        ]
        told.append(f"{name}: {len(samples)} samples, median {figures.ms(median)}")
    return drawing(
        *shapes,
        label="Latency samples. " + "; ".join(told),
        width=_WIDTH,
        height=bottom + _AXIS,
        css="samples",
    )
