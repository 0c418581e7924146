"""Jinja2 for the parts of a page that repeat a row many times: it compiles them to Python.

Such a template ends in ``.jinja`` and stands where Django's own does; ``{% jinja "path" %}`` in
that one puts it in, with all that the page knows.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from jinja2 import Environment, StrictUndefined

from webapp.ui.templatetags import ui


def environment(**options: Any) -> Environment:
    """The filters of ``{% load ui %}`` under the same names; of its tags what rows need, as
    filters, too, because Jinja2 calls those directly."""
    made = Environment(**options | {"undefined": StrictUndefined, "trim_blocks": True})
    made.filters.update(ui.register.filters)
    made.filters.update(span=ui.span, ratio_drawing=ui.ratio_drawing)
    made.globals["url"] = _url
    return made


def _url(name: str, *arguments: object) -> str:
    return reverse(name, args=arguments)
