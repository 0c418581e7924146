"""One SVG element as safe text. Everything is escaped: site names come from uploaded files."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe

Attribute = str | int | float | None


def _value(value: str | int | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def element(
    name: str, *children: str | SafeString, attributes: dict[str, Attribute] | None = None
) -> SafeString:
    """``<name ...>children</name>``; children that are not safe text are escaped."""
    given = (attributes or {}).items()
    written = "".join(f' {key}="{escape(_value(v))}"' for key, v in given if v is not None)
    inner = "".join(conditional_escape(child) for child in children)
    if not inner:
        return mark_safe(f"<{name}{written}/>")
    return mark_safe(f"<{name}{written}>{inner}</{name}>")


def join(parts: Iterable[SafeString]) -> SafeString:
    """Elements one after the other."""
    return mark_safe("".join(parts))


def drawing(
    *children: SafeString, label: str, width: float, height: float, css: str, stretch: bool = False
) -> SafeString:
    """The ``<svg>`` around ``children``, announced to screen readers as one image: ``label``."""
    return element(
        "svg",
        *children,
        attributes={
            "class": css,
            "viewBox": f"0 0 {_value(float(width))} {_value(float(height))}",
            "preserveAspectRatio": "none" if stretch else None,
            "role": "img",
            "aria-label": label,
        },
    )
