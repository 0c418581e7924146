"""Search requests, their searches, and what searches wait for: trainings and measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q

from webapp.catalog.choices import Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.folders import Folder
from webapp.ids import new_id
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.models import Device
from webapp.searches.choices import Augment, CostModel, Recipe, Unit


class SearchRequestQuerySet(models.QuerySet["SearchRequest"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Public ones and the user's own; everything for staff."""
        if user.is_staff:
            return self.all()
        if not user.is_authenticated:
            return self.filter(visibility=Visibility.PUBLIC)
        return self.filter(Q(visibility=Visibility.PUBLIC) | Q(owner=user))


class SearchRequest(models.Model):
    """What a user asked for. It has one search a target."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="requests"
    )
    name = models.CharField(max_length=120)
    detector = models.ForeignKey(Detector, on_delete=models.RESTRICT, related_name="requests")
    data_set = models.ForeignKey(
        DataSet, null=True, blank=True, on_delete=models.RESTRICT, related_name="requests"
    )
    targets = models.JSONField(help_text="ids, in the order in which they were asked for")
    activations = models.JSONField(help_text="candidates, in catalog order")
    recipe = models.CharField(max_length=10, choices=Recipe.choices, default=Recipe.SUPERNET)
    max_latency_ratio = models.FloatField(null=True, blank=True, help_text="goal")
    max_memory_ratio = models.FloatField(null=True, blank=True, help_text="goal")
    max_map_loss = models.FloatField(null=True, blank=True, help_text="limit, in mAP50-95")
    epochs = models.PositiveIntegerField(null=True, blank=True)
    distil = models.BooleanField(default=False, help_text="every arm also learns from a teacher")
    augment = models.CharField(max_length=10, choices=Augment.choices, default=Augment.SHIFT)
    cost_model = models.CharField(
        max_length=20, choices=CostModel.choices, blank=True, help_text="empty: what suits"
    )
    unit = models.CharField(
        max_length=10, choices=Unit.choices, default=Unit.SITE, help_text="what chooses by itself"
    )
    time_limit_min = models.FloatField(null=True, blank=True)
    seed = models.IntegerField(default=0)
    imgsz = models.PositiveIntegerField(null=True, blank=True)
    visibility = models.CharField(
        max_length=7, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    created = models.DateTimeField(auto_now_add=True)

    objects = SearchRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    def is_owned_by(self, user: User | AnonymousUser) -> bool:
        return user.is_authenticated and self.owner_id == user.pk


class Training(models.Model):
    """A supernet or reference-arm training, addressed by the hash of all that decides it."""

    hash = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    spec = models.JSONField()
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="training")
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.title

    @property
    def folder(self) -> Folder:
        """Where it runs and what it leaves; searches share it."""
        return Folder(f"trainings/{self.hash}")

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def state(self) -> str:
        return self.job.state if self.job else State.QUEUED


class Search(models.Model):
    """One target of a request: a job, its stages, and in the end its result."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    request = models.ForeignKey(SearchRequest, on_delete=models.CASCADE, related_name="searches")
    target = models.CharField(max_length=60)
    device = models.ForeignKey(
        Device, null=True, on_delete=models.SET_NULL, related_name="searches"
    )
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="search")
    stage = models.CharField(max_length=60, blank=True, help_text="the current one")
    stages = models.JSONField(
        default=list, help_text="[{name, state, fraction, message, started, seconds}]"
    )
    tried = models.JSONField(
        default=list, help_text="mixes tried so far, as the result will hold them"
    )
    result = models.JSONField(null=True, help_text="result.json of the engine")

    class Meta:
        ordering = ["request", "pk"]
        verbose_name_plural = "searches"
        constraints = [
            models.UniqueConstraint(fields=["request", "target"], name="search_once_a_target")
        ]

    def __str__(self) -> str:
        return f"{self.request.name}: {self.target}"

    @property
    def folder(self) -> Folder:
        """In which the engine keeps its stages and its result."""
        return Folder(f"searches/{self.pk}")

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def state(self) -> str:
        return self.job.state if self.job else State.QUEUED

    @property
    def reason(self) -> str:
        return self.job.reason if self.job else ""


class Measurement(models.Model):
    """A measure job of one search on one device, addressed by its content."""

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="measurements")
    device = models.ForeignKey(
        Device, null=True, on_delete=models.SET_NULL, related_name="measurements"
    )
    hash = models.CharField(max_length=64)
    document = models.JSONField(help_text="the MeasureJob")
    result = models.JSONField(null=True, help_text="the MeasureResult")
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="who brought the result of a bundle; null: measured by a worker",
    )
    imported = models.DateTimeField(null=True, blank=True)
    job = models.OneToOneField(
        Job, null=True, on_delete=models.SET_NULL, related_name="measurement"
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["search", "hash"], name="measurement_once_a_search")
        ]

    def __str__(self) -> str:
        return f"{self.search_id} {self.document.get('id', self.hash[:8])}"

    @property
    def state(self) -> str:
        return self.job.state if self.job else State.QUEUED


class SearchEvent(models.Model):
    """One line of a search's log."""

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    stage = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, help_text="started, finished, log")
    message = models.TextField(blank=True)
    fraction = models.FloatField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.stage} {self.kind}"
