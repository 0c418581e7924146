"""The checks of uploads, run by a worker of the queue ``validate``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage

from engine.sandbox.task import OUTPUT, PICTURES
from engine.uploads import ThumbnailFacts
from webapp.catalog import checks
from webapp.catalog.choices import UploadState
from webapp.catalog.files import local_path
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.services import data_set_folder
from webapp.jobs.context import JobContext


def validate_model(context: JobContext) -> None:
    """Have the model read in a sandbox and note its classes and sites.

    Raises:
        engine.errors.BadModel: it cannot be used.
    """
    detector = Detector.objects.get(pk=context.job.payload["id"])
    Detector.objects.filter(pk=detector.pk).update(state=UploadState.VALIDATING, reason="")
    source = local_path(detector.file, sha256=detector.sha256)
    with checks.checked(context, kind="model", source=source) as (found, _):
        facts = found.facts
    context.check()
    sites = [site.model_dump() for site in facts.sites]
    Detector.objects.filter(pk=detector.pk).update(
        state=UploadState.READY,
        kind=facts.kind,
        family=facts.family,
        imgsz=facts.imgsz,
        has_weights=facts.weights,
        names=facts.names,
        sites=sites,
        original={site["path"]: site["activation"] for site in sites},
    )


def validate_data_set(context: JobContext) -> None:
    """Have the data set unpacked and checked in a sandbox, and note its classes, images and boxes.

    Raises:
        engine.errors.BadDataSet: it cannot be used; nothing is left of it.
    """
    data_set = DataSet.objects.get(pk=context.job.payload["id"])
    DataSet.objects.filter(pk=data_set.pk).update(state=UploadState.VALIDATING, reason="")
    shared = data_set_folder(data_set)
    shared.remove()  # of a run that was killed
    folder = shared.path
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = local_path(data_set.archive, sha256=data_set.sha256)
    with checks.checked(context, kind="data-set", source=source) as (found, box):
        facts = found.facts
        context.progress(0.9, "keeping it")
        thumbnails = _thumbnails(data_set, facts.thumbnails, box / PICTURES)
        context.check()
        checks.take(box / OUTPUT, folder)
        shared.put()
    DataSet.objects.filter(pk=data_set.pk).update(
        state=UploadState.READY,
        version=facts.sha256,
        folder=shared.name,
        names=facts.names,
        images=facts.images,
        boxes=facts.boxes,
        thumbnails=thumbnails,
    )


def _thumbnails(
    data_set: DataSet, made: Iterable[ThumbnailFacts], folder: Path
) -> list[dict[str, Any]]:
    """Thumbnails in the storage, where web processes of any machine can read them."""
    kept = folder.with_name("kept")
    checks.take(folder, kept)
    rows = []
    for facts in made:
        name = f"data-sets/{data_set.pk}/thumbnails/{facts.file}"
        default_storage.delete(name)  # of a run that was killed
        with (kept / facts.file).open("rb") as file:
            rows.append({**facts.model_dump(), "file": default_storage.save(name, File(file))})
    return rows
