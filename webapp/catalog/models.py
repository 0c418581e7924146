"""What people upload: detectors and data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q

from webapp.catalog.choices import UploadState, Visibility
from webapp.folders import Folder
from webapp.ids import new_id
from webapp.jobs.models import Job


class UploadQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Public ones and the user's own; everything for staff."""
        if user.is_staff:
            return self.all()
        if not user.is_authenticated:
            return self.filter(visibility=Visibility.PUBLIC)
        return self.filter(Q(visibility=Visibility.PUBLIC) | Q(owner=user))

    def ready(self) -> Self:
        return self.filter(state=UploadState.READY)


class Upload(models.Model):
    """What detectors and data sets share: an owner, a file with its content hash, and a verdict."""

    STORED_BELOW: str  # folder of the storage

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="%(class)ss"
    )
    name = models.CharField(max_length=120)
    file_name = models.CharField(max_length=120, help_text="as the user's machine called it")
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField(help_text="bytes")
    state = models.CharField(
        max_length=10, choices=UploadState.choices, default=UploadState.UPLOADED
    )
    reason = models.TextField(blank=True, help_text="why it was refused")
    visibility = models.CharField(
        max_length=7, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="%(class)s")
    created = models.DateTimeField(auto_now_add=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        return self.state == UploadState.READY

    @property
    def stored_in(self) -> str:
        """The folder of the storage that holds its files and nobody else's."""
        return f"{self.STORED_BELOW}/{self.pk}"

    def is_owned_by(self, user: User | AnonymousUser) -> bool:
        return user.is_authenticated and self.owner_id == user.pk

    def is_visible_to(self, user: User | AnonymousUser) -> bool:
        """Whether ``visible_to`` would leave it."""
        return self.visibility == Visibility.PUBLIC or user.is_staff or self.is_owned_by(user)

    def name_for(self, user: User | AnonymousUser) -> str:
        """Its name, for whoever may see it; else what it is."""
        return self.name if self.is_visible_to(user) else f"a private {self._meta.verbose_name}"


def model_path(instance: Detector, filename: str) -> str:
    # The user's own name, because messages about the file name it; Django has cleaned it.
    return f"{instance.stored_in}/{Path(filename).name}"


def archive_path(instance: DataSet, filename: str) -> str:
    return f"{instance.stored_in}/{Path(filename).name}"


class Detector(Upload):
    """An uploaded model. Everything below ``file`` is filled in by its validation."""

    STORED_BELOW = "models"

    file = models.FileField(upload_to=model_path, max_length=200)
    kind = models.CharField(max_length=4, blank=True, help_text="pt, yaml or onnx")
    family = models.CharField(max_length=40, blank=True, help_text="YOLOv8n ...")
    imgsz = models.PositiveIntegerField(null=True, help_text="pixels a side")
    has_weights = models.BooleanField(default=False)
    names = models.JSONField(default=list, help_text="class names, by index")
    sites = models.JSONField(
        default=list, help_text="[{path, activation, shape}] in the order in which they run"
    )
    original = models.JSONField(default=dict, help_text="the assignment in the uploaded file")

    class Meta(Upload.Meta):
        verbose_name = "model"


class DataSet(Upload):
    """An uploaded data set: an archive, and the folder that its validation unpacked."""

    STORED_BELOW = "data-sets"

    archive = models.FileField(upload_to=archive_path, max_length=200)
    version = models.CharField(max_length=64, blank=True, help_text="sha256 over its content")
    folder = models.CharField(max_length=300, blank=True, help_text="relative to settings.FOLDERS")
    names = models.JSONField(default=list, help_text="class names, by index")
    images = models.JSONField(default=dict, help_text="images a split")
    boxes = models.JSONField(default=dict, help_text="{split: {class name: boxes}}")
    thumbnails = models.JSONField(
        default=list, help_text="engine.thumbnails' facts; file is a name in the storage"
    )

    class Meta(Upload.Meta):
        verbose_name = "data set"

    @property
    def path(self) -> Path:
        """The folder that holds its data.yaml, once it is ready; a remote one must be fetched."""
        return self.shared.path

    @property
    def shared(self) -> Folder:
        """That folder, as hosts share it."""
        return Folder(self.folder)
