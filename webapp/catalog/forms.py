"""Upload forms. What is wrong with a file is found by a worker, not here."""

from __future__ import annotations

from django import forms

from webapp.catalog.choices import Visibility
from webapp.catalog.services import DATA_SET_SUFFIXES, MODEL_SUFFIXES
from webapp.ui.forms import Accessible


class UploadForm(Accessible, forms.Form):
    wait_s: int | None = None  # until another upload is taken

    file = forms.FileField(max_length=120)
    name = forms.CharField(
        max_length=120, required=False, help_text="Left empty, it is called like the file."
    )
    visibility = forms.ChoiceField(
        label="Who may see it",
        choices=[
            (Visibility.PRIVATE, "Only me"),
            (Visibility.PUBLIC, "Everybody"),
        ],
        initial=Visibility.PRIVATE,
        widget=forms.RadioSelect,
    )


class ModelForm(UploadForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].label = "Model file"
        self.fields["file"].widget.attrs["accept"] = ",".join(MODEL_SUFFIXES)


class DataSetForm(UploadForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].label = "Zip archive"
        self.fields["file"].widget.attrs["accept"] = ",".join(DATA_SET_SUFFIXES)
