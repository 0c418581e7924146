"""One SVG element as safe text. Everything is escaped: site names come from uploaded files."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape  # what Django's own does with a string, without its care for lazy ones

from django.utils.safestring import SafeString

Attribute = str | int | float | None


def _value(value: str | int | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def element(
    name: str, *children: str | SafeString, attributes: dict[str, Attribute] | None = None
) -> SafeString:
    """``<name ...>children</name>``; children that are not safe text are escaped."""
    given = (attributes or {}).items()
    written = "".join([f' {key}="{_value(v)}"' for key, v in given if v is not None])
    inner = "".join([c if isinstance(c, SafeString) else escape(c) for c in children])
    if not inner:
        return SafeString(f"<{name}{written}/>")
    return SafeString(f"<{name}{written}>{inner}</{name}>")


def join(parts: Iterable[SafeString]) -> SafeString:
    """Elements one after the other."""
    return SafeString("".join(parts))


def drawing(*children: SafeString, label: str, width: float, height: float, css: str) -> SafeString:
    """The ``<svg>`` around ``children``, announced to screen readers as one image: ``label``."""
    return element(
        "svg",
        *children,
        attributes={
            "class": css,
            "viewBox": f"0 0 {_value(float(width))} {_value(float(height))}",
            "role": "img",
            "aria-label": label,
        },
    )
