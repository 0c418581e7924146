"""Figures in words: how a latency, a ratio, an mAP or a loss is written on every page.

All functions return plain text with its unit. A figure that is not there is written as an
en dash, never as zero.
"""

from __future__ import annotations

import math
from typing import TypeGuard

MISSING = "\u2013"
MINUS = "\u2212"
TIMES = "\u00d7"
THIN = "\u2009"
NBSP = "\u00a0"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str:
    """``value`` with ``digits`` decimals, a true minus sign and thousands separators."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(char not in "0.," for char in text)
    return f"{MINUS}{text}" if negative else text


def signed(value: float | None, digits: int = 3) -> str:
    """Like :func:`number`, with a plus sign before a gain."""
    text = number(value, digits)
    gained = _known(value) and value > 0 and any(char not in "0.," for char in text)
    return f"+{text}" if gained else text


def significant(value: float | None, digits: int = 3) -> str:
    """``value`` with that many significant digits, never in exponent form."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return number(value, decimals)


def ms(value: float | None) -> str:
    """A latency: ``8.81 ms``."""
    return f"{significant(value)}{NBSP}ms" if _known(value) else MISSING


def ratio(value: float | None) -> str:
    """A ratio to the baseline: ``0.865x`` with a true multiplication sign."""
    return f"{number(value, 3)}{TIMES}" if _known(value) else MISSING


def memory(value: float | None, unit: str = "") -> str:
    """A memory figure: ``706 KiB``."""
    return f"{significant(value)}{NBSP}{unit}".strip() if _known(value) else MISSING


def span(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval: ``0.858-0.871`` with an en dash; with ``to`` when a bound is negative."""
    if not _known(low) or not _known(high):
        return MISSING
    if low < 0 or high < 0:
        return f"{signed(low, digits)} to {signed(high, digits)}"
    return f"{number(low, digits)}\u2013{number(high, digits)}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share (0..1) as per cent: ``18.4 %``."""
    return (
        f"{number(value * 100, digits)}{NBSP}%" if value is not None and _known(value) else MISSING
    )


def size(octets: int | None) -> str:
    """A file size: ``6.62 MiB``."""
    if octets is None:
        return MISSING
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{int(value)}{NBSP}B" if unit == "B" else f"{significant(value)}{NBSP}{unit}"
        value /= 1024
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """A time span: ``48 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{number(seconds, 1)}{NBSP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NBSP}s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}{NBSP}h {rest // 60:02d}{NBSP}min"


def about(seconds: float | None) -> str:
    """A time span that nobody knows exactly: ``40 s``, ``8 min``, ``2 h 10 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 95:
        return f"{max(10, round(seconds / 10) * 10)}{NBSP}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    return f"{hours}{NBSP}h" + (f" {rest}{NBSP}min" if rest else "")
