"""The leaderboard's rows, and snapshots of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q

from devices import statistics
from devices.targets import TARGETS, Target
from webapp.catalog.choices import Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.folders import Folder
from webapp.ids import new_id
from webapp.jobs.models import Job
from webapp.searches.models import Search

BASELINE = "reference"  # the arm that every arm of a search is timed against
_TARGETS = {target.id: target for target in TARGETS}
_LISTED = Q(public=True, withdrawn__isnull=True)

# Name -> columns of the indexes behind the orders and filters of one ranking, and of the wide list.
_ORDERS_INSIDE = {
    "rank": ["rank", "ratio"],
    "ratio": ["ratio"],
    "latency": ["latency_ms"],
    "map": ["map50_95"],
    "loss": ["loss"],
    "memory": ["memory_ratio"],
    "age": ["created"],
    "family": ["family", "met"],
    "model": ["detector"],
}
_ORDERS_OF_ALL = ["ratio", "latency_ms", "map50_95", "loss", "memory_ratio", "created"]


def new_version() -> int:
    """What no state of a ranking was called before."""
    return secrets.randbits(48)


class Ranking(models.Model):
    """One ranking, and what lists would otherwise count again and again in its entries.

    Only entries that agree in target, device, data-set version and image size are compared.
    """

    target = models.CharField(max_length=60)
    device_model = models.CharField(max_length=120)
    data_set_version = models.CharField(max_length=64)
    imgsz = models.PositiveIntegerField()
    data_set = models.ForeignKey(
        DataSet, null=True, on_delete=models.SET_NULL, related_name="rankings"
    )
    entries = models.PositiveIntegerField(default=0, help_text="listed ones")
    families = models.JSONField(default=dict, help_text="{family: listed entries}")
    families_met = models.JSONField(
        default=dict, help_text="{family: listed entries that keep their search's limits}"
    )
    most_used = models.JSONField(
        default=list, help_text="[[id, listed entries]] of the models with the most"
    )
    # Drawn anew with every change. A counter would come back to old numbers after a restore.
    version = models.PositiveBigIntegerField(default=new_version)

    class Meta:
        ordering = ["-entries", "device_model", "imgsz"]
        constraints = [
            models.UniqueConstraint(
                fields=["target", "device_model", "data_set_version", "imgsz"],
                name="ranking_once_a_group",
            )
        ]

    def __str__(self) -> str:
        return f"{self.target} on {self.device_model}, {self.imgsz} px"

    @property
    def on(self) -> Target:
        """Its target.

        Raises:
            KeyError: this version of the site has dropped it.
        """
        return _TARGETS[self.target]

    def holds(self, family: str = "", *, met: bool = False) -> int:
        """How many listed entries it has, of one family or all, or those that met their limits."""
        totals: dict[str, int] = self.families_met if met else self.families
        return totals.get(family, 0) if family else sum(totals.values())

    @cached_property
    def key(self) -> str:
        """What names it in an address, beside the target."""
        text = f"{self.device_model}|{self.data_set_version}|{self.imgsz}"
        return sha256(text.encode()).hexdigest()[:10]

    @cached_property
    def named_models(self) -> list[tuple[str, str]]:
        """(id, name) of the public models with the most entries in it, the most used first.

        A change of either makes another state of the ranking, which is read anew.
        """
        return public_names([key for key, _ in self.most_used])


def public_names(detectors: Sequence[str]) -> list[tuple[str, str]]:
    """(id, name) of those of ``detectors`` that are public, in their order."""
    public = Detector.objects.filter(pk__in=detectors, visibility=Visibility.PUBLIC)
    names = dict(public.order_by().values_list("pk", "name"))
    return [(key, names[key]) for key in detectors if key in names]


class EntryQuerySet(models.QuerySet["Entry"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Public ones and the user's own; everything for staff. Withdrawn ones included."""
        if user.is_staff:
            return self.all()
        if not user.is_authenticated:
            return self.filter(public=True)
        return self.filter(Q(public=True) | Q(owner=user))

    def standing(self) -> Self:
        """Not withdrawn."""
        return self.filter(withdrawn__isnull=True)

    def listed(self) -> Self:
        """What the public leaderboard shows."""
        return self.filter(_LISTED)


class Entry(models.Model):
    """A published result: ONE exported file, and what was measured on that very file."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    search = models.ForeignKey(Search, on_delete=models.RESTRICT, related_name="entries")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="entries"
    )
    detector = models.ForeignKey(Detector, on_delete=models.RESTRICT, related_name="entries")
    data_set = models.ForeignKey(DataSet, on_delete=models.RESTRICT, related_name="entries")
    arm = models.CharField(max_length=60, help_text="its name among the search's arms")
    name = models.CharField(max_length=120)
    family = models.CharField(max_length=40)
    # What a ranking is about; only equal ones are compared.
    target = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, help_text="measured, modelled or emulated")
    device_model = models.CharField(max_length=120)
    data_set_version = models.CharField(max_length=64)
    imgsz = models.PositiveIntegerField()
    ranking = models.ForeignKey(
        Ranking, on_delete=models.PROTECT, related_name="rows", db_index=False
    )
    rank = models.PositiveIntegerField(null=True, help_text="1 + how many beat it; ties share it")
    # The file.
    assignment = models.JSONField(help_text="{site: activation} in site order")
    assignment_hash = models.CharField(max_length=12)
    mix = models.TextField(help_text="the activation of each site, input first, as lists draw it")
    file = models.CharField(max_length=300, help_text="relative to the search's folder")
    file_sha256 = models.CharField(max_length=64)
    files = models.JSONField(default=dict, help_text="{download name: path in the search's folder}")
    # Measured on it.
    map50 = models.FloatField()
    map50_95 = models.FloatField()
    map_low = models.FloatField(null=True)
    map_high = models.FloatField(null=True)
    loss = models.FloatField(null=True, help_text="mAP50-95 given up; negative: gained")
    loss_low = models.FloatField(null=True)
    loss_high = models.FloatField(null=True)
    latency_ms = models.FloatField()
    ratio = models.FloatField(help_text="latency against the family's standard activation")
    ratio_low = models.FloatField(null=True, help_text="null where modelled")
    ratio_high = models.FloatField(null=True)
    noise_floor = models.FloatField(
        null=True, help_text="no ratio this close to 1 is called faster; null: not recorded"
    )
    noisy = models.BooleanField(
        default=False, help_text="its lease told a model from itself, and its repetition did, too"
    )
    ratio_to_uploaded = models.FloatField(null=True)
    ratio_one_table = models.FloatField(
        null=True, help_text="modelled Ethos-U: against the standard with SiLU as one table"
    )
    memory = models.FloatField(null=True)
    memory_unit = models.CharField(max_length=3, blank=True)
    memory_ratio = models.FloatField(null=True)
    # In words.
    verdict = models.CharField(
        max_length=30, help_text="kind of the engine's verdict: mix, uniform ..."
    )
    sentence = models.TextField(help_text="the verdict with its numbers")
    met = models.BooleanField(
        default=False, help_text="whether it keeps its search's limits and reaches its goal"
    )
    is_choice = models.BooleanField(default=True, help_text="whether the verdict names this arm")
    arms = models.JSONField(default=list, help_text="every arm of the search, as in result.json")
    notes = models.JSONField(default=list)
    public = models.BooleanField(default=True)
    withdrawn = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        verbose_name_plural = "entries"
        constraints = [models.UniqueConstraint(fields=["search", "arm"], name="entry_once_an_arm")]
        # A list reads the first rows of an index, in its order: a row itself holds every arm of its
        # search. Partial, because only listed entries are in lists.
        indexes = [
            *(
                models.Index(
                    fields=["ranking", *columns], name=f"entry_in_{name}", condition=_LISTED
                )
                for name, columns in _ORDERS_INSIDE.items()
            ),
            *(
                models.Index(fields=[column], name=f"entry_by_{column}", condition=_LISTED)
                for column in _ORDERS_OF_ALL
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.arm} on {self.target}"

    @property
    def claim(self) -> statistics.Claim:
        """Whether it may be called faster than the family's standard activation."""
        modelled = self.kind == "modelled"
        return statistics.claim(
            self.ratio,
            low=self.ratio if self.ratio_low is None else self.ratio_low,
            high=self.ratio if self.ratio_high is None else self.ratio_high,
            floor=statistics.MODELLED_TIE if modelled else self.noise_floor or 0.0,
        )

    def is_owned_by(self, user: User | AnonymousUser) -> bool:
        return user.is_authenticated and self.owner_id == user.pk

    def download_of(self, path: str) -> str | None:
        """Under which name the file at ``path`` in the search's folder is offered; None: it is
        not."""
        return next((name for name, kept in self.files.items() if kept == path), None)

    @property
    def baseline(self) -> dict[str, Any] | None:
        """The arm that the ratio counts from."""
        return next((arm for arm in self.arms if arm["name"] == BASELINE), None)

    @property
    def baseline_download(self) -> str | None:
        """The name of its file among the downloads; entries of old may have none."""
        arm = self.baseline
        return None if arm is None or not arm["file"] else self.download_of(arm["file"])


class Reference(models.Model):
    """One activation at every site of a well-known model, timed for comparison: no file, no mAP."""

    family = models.CharField(max_length=40)
    imgsz = models.PositiveIntegerField()
    target = models.CharField(max_length=60)
    device_model = models.CharField(max_length=120)
    activation = models.CharField(max_length=20)
    kind = models.CharField(max_length=10, help_text="measured or modelled")
    latency_ms = models.FloatField()
    ratio = models.FloatField(help_text="latency against SiLU at every site")
    ratio_low = models.FloatField(null=True, help_text="null where modelled")
    ratio_high = models.FloatField(null=True)
    ratio_one_table = models.FloatField(null=True)
    memory = models.FloatField(null=True)
    memory_unit = models.CharField(max_length=3, blank=True)
    measured = models.DateTimeField()

    class Meta:
        ordering = ["target", "device_model", "family", "imgsz", "activation"]
        constraints = [
            models.UniqueConstraint(
                fields=["family", "imgsz", "target", "device_model", "activation"],
                name="reference_once_a_place",
            )
        ]

    def __str__(self) -> str:
        return f"{self.family} at {self.imgsz} px with {self.activation} on {self.target}"


class Snapshot(models.Model):
    """A list as it stood at one moment, at an address that stays, with its export files.

    Addressed by its content: who asks for the same rows with the same ranks gets the same snapshot.
    """

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    content = models.CharField(max_length=64, unique=True, help_text="sha256 over rows and ranks")
    title = models.CharField(max_length=200)
    query = models.TextField(blank=True, help_text="the leaderboard's address, without the ?")
    is_ranking = models.BooleanField(default=False)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="snapshot")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.title

    @property
    def folder(self) -> Folder:
        """Holds its export files."""
        return Folder(f"snapshots/{self.pk}")


class SnapshotRow(models.Model):
    """One entry of a snapshot, with the rank that it had then."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="rows")
    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="snapshot_rows")
    position = models.PositiveIntegerField()
    rank = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["snapshot", "position"]
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "position"], name="snapshot_position")
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.position}"
