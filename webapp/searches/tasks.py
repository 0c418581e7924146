"""What the workers of the queues ``search``, ``train`` and ``device-...`` do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine.errors import EngineError
from webapp import folders
from webapp.catalog.files import local_path
from webapp.catalog.models import DataSet, Detector
from webapp.folders import Folder
from webapp.leaderboard import services as leaderboard
from webapp.pool.services import record_noise
from webapp.searches import measuring as measurements
from webapp.searches import stages
from webapp.searches.models import Measurement, Search, Training

if TYPE_CHECKING:
    from engine.search import Recipe, SearchSpec, Unit
    from engine.training.spec import Augment, TrainingSpec
    from webapp.jobs.context import JobContext


def search(context: JobContext) -> None:
    """Run a search as far as it goes; the engine goes on from the stages that it finished."""
    from engine import search as engine
    from engine.stages.store import StageStore
    from webapp.searches.surroundings import SearchSurroundings

    row = Search.objects.select_related(
        "request__detector", "request__data_set", "request__owner", "device"
    ).get(pk=context.job.payload["id"])
    if not row.stages:
        trains = row.request.data_set is not None and row.request.detector.kind != "onnx"
        names = engine.stage_names(trains=trains)
        row.stages = stages.plan({name: engine.STAGES[name] for name in names})
    surroundings = SearchSurroundings(context, row)
    with _fetched(row.folder, context):
        stages.settle(row.stages, StageStore(row.path, surroundings).seconds())
        row.save(update_fields=["stages"])
        path = engine.run(spec_of(row), surroundings)
        row.result = json.loads(path.read_text(encoding="utf-8"))
        row.save(update_fields=["result"])
        leaderboard.publish(row)


@contextmanager
def _fetched(folder: Folder, context: JobContext) -> Iterator[None]:
    """The latest of ``folder`` is here, and what the block leaves in it is stored, also when it
    fails or waits; not once the job is somebody else's."""
    folder.fetch()
    try:
        yield
    finally:
        if not context.cancelled():
            folder.put()


def spec_of(search: Search) -> SearchSpec:
    """What the engine is asked to do."""
    from engine.search import SearchSpec

    request = search.request
    detector, data_set = request.detector, request.data_set
    return SearchSpec(
        model=local_path(detector.file, sha256=detector.sha256),
        target=search.target,
        data=None if data_set is None else data_set.shared.fetch(),
        imgsz=request.imgsz,
        activations=tuple(request.activations),
        recipe=cast("Recipe", request.recipe),
        max_latency_ratio=request.max_latency_ratio,
        max_memory_ratio=request.max_memory_ratio,
        max_map_loss=request.max_map_loss,
        epochs=request.epochs,
        distil=request.distil,
        augment=cast("Augment", request.augment),
        cost_model=request.cost_model or None,
        unit=cast("Unit", request.unit),
        time_limit_min=request.time_limit_min,
        seed=request.seed,
        out=search.path,
        resume=True,
    )


def train(context: JobContext) -> None:
    """Run a training, resuming from its folder."""
    from engine.training import run as engine
    from engine.training.spec import TrainingSpec
    from webapp.searches.surroundings import TrainingSurroundings

    row = Training.objects.get(pk=context.job.payload["id"])
    spec = _here(TrainingSpec.from_json(json.dumps(row.spec)))
    with _fetched(row.folder, context):
        engine.run(spec, folder=row.path, services=TrainingSurroundings(context, row))


def _here(spec: TrainingSpec) -> TrainingSpec:
    """``spec`` with this host's paths: the host that asked for the training may have others."""
    if folders.remote() is None:
        return spec
    name = Path(spec.model).name
    detectors = Detector.objects.filter(sha256=spec.model_sha256)
    # The same content under another name may be another model: a .yaml is scaled by its name.
    detector = next((row for row in detectors if Path(row.file.name or "").name == name), None)
    data_set = DataSet.objects.ready().filter(version=spec.data_sha256).first()
    if detector is None or data_set is None:
        raise EngineError(f"the {'data set' if detector else 'model'} of {spec.title!r} is gone")
    model = local_path(detector.file, sha256=detector.sha256)
    return replace(spec, model=str(model), data=str(data_set.shared.fetch()))


def measure(context: JobContext) -> None:
    """Run a measure job on this worker's device; after a noisy lease once more.

    Raises:
        devices.errors.DeviceError: it could not be measured.
    """
    from devices import noise
    from devices.protocol import MeasureJob, MeasureResult
    from webapp.pool import health, measuring

    row = Measurement.objects.select_related("device__host", "search").get(
        pk=context.job.payload["id"]
    )
    job = measurements.here(MeasureJob.model_validate(row.document))
    device = row.device
    if device is None:
        raise RuntimeError("the device was removed from the pool")

    def once() -> MeasureResult:
        return measuring.run(job, device=device, context=context)

    def pause(seconds: float) -> None:
        context.progress(0.0, f"a noisy lease: measured again in {seconds:.0f} s")
        context.pause(seconds)

    result = noise.settled(once, checks=health.history(device), pause=pause)
    row.result = result.model_dump(mode="json")
    row.save(update_fields=["result"])
    record_noise(device=device, result=result, measurement_id=row.pk)
