"""What every form of the site does alike."""

from __future__ import annotations

from typing import Any

from django import forms


class Accessible(forms.BaseForm):
    """Mixin: no colon after labels, and no autofocus, which would skip what stands above a form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("autofocus", None)
