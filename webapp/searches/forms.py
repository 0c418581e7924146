"""The form for a new search request: limits first, everything else with a default."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User

from devices.activations import CATALOG
from devices.targets import TARGETS, Target
from engine.epochs import FEWEST
from webapp.catalog.choices import Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.searches.choices import Augment, CostModel, Recipe, Unit
from webapp.searches.services import DEFAULT_ACTIVATIONS, Wish
from webapp.ui.forms import Accessible


class ModelChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.family}, {len(obj.sites)} sites)"


class DataSetChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({sum(obj.images.values()):,} images)"


@dataclass(frozen=True)
class TargetGroup:
    """The targets of one kind of hardware with whether a device offers them now: those that are
    shown, and the rest, which is folded."""

    hardware: str
    shown: list[tuple[Target, bool]]
    folded: list[tuple[Target, bool]]

    @property
    def title(self) -> str:
        return self.hardware.upper()


def target_groups(*, served: Collection[str], chosen: Collection[str]) -> list[TargetGroup]:
    """Every target by its hardware. The chosen ones are shown, or the first that is offered."""
    groups = []
    for hardware in dict.fromkeys(target.hardware for target in TARGETS):
        mine = [(one, one.id in served) for one in TARGETS if one.hardware == hardware]
        mine.sort(key=lambda row: not row[1])  # what nobody offers comes last
        offered = [row for row in mine if row[1]]
        shown = [row for row in mine if row[0].id in chosen] or offered[:1]
        groups.append(TargetGroup(hardware, shown, [row for row in mine if row not in shown]))
    return groups


class SearchForm(Accessible, forms.Form):
    detector = ModelChoice(
        label="Model", queryset=Detector.objects.none(), empty_label="Choose a model"
    )
    data_set = DataSetChoice(
        label="Data set",
        queryset=DataSet.objects.none(),
        required=False,
        empty_label="None: a cost study only",
        help_text="Without one, costs are measured but no accuracy, and nothing is published.",
    )
    max_map_loss = forms.FloatField(
        label="Accuracy lost at most",
        required=False,
        initial=0.005,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="A limit. A model that loses more is not offered. Without a data set nothing "
        "can be lost or kept, and the limit is left out.",
    )
    max_latency_ratio = forms.FloatField(
        label="Latency at most",
        required=False,
        initial=0.9,
        min_value=0,
        max_value=10,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="A goal: if nothing reaches it, you get the fastest within the limits. "
        "Standard is the activation that the family usually runs everywhere.",
    )
    max_memory_ratio = forms.FloatField(
        label="Memory at most",
        required=False,
        min_value=0,
        max_value=10,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="A limit. Leave it empty where memory does not matter.",
    )
    targets = forms.MultipleChoiceField(choices=[(target.id, target.title) for target in TARGETS])
    activations = forms.MultipleChoiceField(
        choices=[(entry.name, entry.title) for entry in CATALOG.values()],
        initial=list(DEFAULT_ACTIVATIONS),
    )
    recipe = forms.ChoiceField(choices=Recipe.choices, initial=Recipe.SUPERNET)
    epochs = forms.IntegerField(
        required=False,
        min_value=FEWEST,
        max_value=settings.MAX_EPOCHS,
        help_text=f"At least {FEWEST}. Empty: what the recipe holds enough.",
    )
    distil = forms.BooleanField(
        label="Distil",
        required=False,
        help_text="Every arm also learns from a teacher: about twice the training time.",
    )
    augment = forms.ChoiceField(
        label="Augmentation", choices=Augment.choices, initial=Augment.SHIFT, required=False
    )
    cost_model = forms.ChoiceField(
        label="Cost model",
        choices=CostModel.choices,
        required=False,
        help_text="How latency is predicted. Checked: up to four leases more, and it says how far "
        "off it is and what neighbours cost together.",
    )
    unit = forms.ChoiceField(
        label="One choice for",
        choices=Unit.choices,
        initial=Unit.SITE,
        required=False,
        help_text="Blocks make a simpler model to port; sites by themselves find more.",
    )
    time_limit_min = forms.FloatField(
        label="Time limit",
        required=False,
        min_value=0,
        max_value=settings.MAX_TIME_LIMIT_MIN,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    imgsz = forms.IntegerField(
        label="Image size",
        required=False,
        min_value=32,
        max_value=2048,
        widget=forms.NumberInput(attrs={"step": 32}),
        help_text="Empty: the model's own.",
    )
    seed = forms.IntegerField(initial=0)
    name = forms.CharField(
        max_length=120,
        required=False,
        help_text="Left empty, it is called like the model, or like its family where everybody "
        "may see the search and not the model.",
    )
    visibility = forms.ChoiceField(
        label="Who may see it",
        choices=[
            (
                Visibility.PUBLIC,
                "Everybody; the result goes on the leaderboard. Private uploads stay unnamed",
            ),
            (Visibility.PRIVATE, "Only me"),
        ],
        initial=Visibility.PUBLIC,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer("detector", Detector.objects.visible_to(user).ready())
        self._offer("data_set", DataSet.objects.visible_to(user).ready())

    def _offer(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows
        if not self.is_bound and name == "detector" and len(rows) == 1:
            field.initial = rows[0].pk  # nothing to choose

    def wish(self) -> Wish:
        """What a valid form asks for."""
        values = self.cleaned_data
        return Wish(
            targets=values["targets"],
            activations=values["activations"],
            recipe=values["recipe"],
            max_latency_ratio=values["max_latency_ratio"],
            max_memory_ratio=values["max_memory_ratio"],
            # A cost study scores nothing: the limit would be a promise that nobody checks.
            max_map_loss=values["max_map_loss"] if values["data_set"] else None,
            epochs=values["epochs"],
            distil=values["distil"],
            augment=values["augment"] or Augment.SHIFT,
            cost_model=values["cost_model"],
            unit=values["unit"] or Unit.SITE,
            time_limit_min=values["time_limit_min"],
            seed=values["seed"],
            imgsz=values["imgsz"],
        )
