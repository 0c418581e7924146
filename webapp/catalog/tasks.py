"""The checks of uploads, run by a worker of the queue ``validate``."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.core.files.storage import default_storage

from webapp.catalog.choices import UploadState
from webapp.catalog.files import local_path
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.services import data_set_folder

if TYPE_CHECKING:
    from engine.data import DataSet as Content
    from engine.loading import Model
    from webapp.jobs.context import JobContext


def validate_model(context: JobContext) -> None:
    """Load the model safely and note its classes and sites.

    Raises:
        engine.errors.BadModel: it cannot be used.
    """
    from engine import loading

    detector = Detector.objects.get(pk=context.job.payload["id"])
    Detector.objects.filter(pk=detector.pk).update(state=UploadState.VALIDATING, reason="")
    model = loading.load(local_path(detector.file, sha256=detector.sha256))
    context.progress(0.6, "looking for activation sites")
    found = _sites(model)
    context.check()
    Detector.objects.filter(pk=detector.pk).update(
        state=UploadState.READY,
        kind=model.kind,
        family=model.family,
        imgsz=model.imgsz,
        has_weights=model.weights,
        names=[model.names[index] for index in sorted(model.names)],
        sites=found,
        original={site["path"]: site["activation"] for site in found},
    )


def _sites(model: Model) -> list[dict[str, Any]]:
    if model.net is not None:
        from engine import sites

        return [
            {"path": site.path, "activation": site.activation, "shape": list(site.shape)}
            for site in sites.find(model.net, imgsz=model.imgsz)
        ]
    from devices import graph

    assert model.onnx is not None  # a model is a net or a graph
    return [
        {
            "path": site.key,
            "activation": site.activation,
            "shape": list(site.shape[-3:]) if site.shape else None,
        }
        for site in graph.find_sites(model.onnx)
    ]


def validate_data_set(context: JobContext) -> None:
    """Unpack the data set, check it, and note its classes, images and boxes.

    Raises:
        engine.errors.BadDataSet: it cannot be used; nothing is left of it.
    """
    from engine import data

    data_set = DataSet.objects.get(pk=context.job.payload["id"])
    DataSet.objects.filter(pk=data_set.pk).update(state=UploadState.VALIDATING, reason="")
    folder = data_set_folder(data_set)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = local_path(data_set.archive, sha256=data_set.sha256)
    info = data.validate_archive(archive, folder, seed=0)
    context.progress(0.9, "making thumbnails")
    thumbnails = _thumbnails(data_set, data.open_data(folder))
    context.check()
    facts = json.loads(json.dumps(info.to_json()))
    DataSet.objects.filter(pk=data_set.pk).update(
        state=UploadState.READY,
        version=info.sha256,
        folder=str(folder.relative_to(folder.parents[1])),
        names=[info.names[index] for index in sorted(info.names)],
        images=facts["images"],
        boxes=facts["boxes"],
        thumbnails=thumbnails,
    )


def _thumbnails(data_set: DataSet, content: Content) -> list[dict[str, Any]]:
    """Thumbnails in the storage, where web processes of any machine can read them."""
    from engine import thumbnails

    rows = []
    with tempfile.TemporaryDirectory() as work:
        for made in thumbnails.make(content, Path(work) / "thumbnails"):
            name = f"data-sets/{data_set.pk}/thumbnails/{made.file}"
            default_storage.delete(name)  # of a run that was killed
            with (Path(work) / "thumbnails" / made.file).open("rb") as file:
                rows.append({**made.to_json(), "file": default_storage.save(name, File(file))})
    return rows
