from __future__ import annotations

from django import forms

from webapp.ui.forms import Accessible
from webapp.webhooks.addresses import LONGEST


class WebhookForm(Accessible, forms.Form):
    # Text, not a URLField: what may be used is decided where the address is looked up.
    url = forms.CharField(
        label="Address",
        max_length=LONGEST,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/actnas"}),
        help_text="A POST with a JSON document goes there whenever one of your searches ends.",
    )
