"""Run one phase of training into its folder; resumes where it was cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from devices.assignment import Assignment
from engine import data, export, loading, sites, swap, threads
from engine.errors import BadSearch
from engine.estimators import sensitivity
from engine.loading import Model
from engine.services import Event, Services
from engine.training import batchnorm, loop
from engine.training.choice import MixSampler, open_sites, set_mix
from engine.training.spec import TrainingSpec

WEIGHTS = "weights.pt"
ESTIMATES = "estimates.json"
EXPORTED = "model.onnx"
ARMS = ("finetune", "alone")
_DONE = "training.json"
_CHECKPOINT = "checkpoint.pt"


def run(spec: TrainingSpec, *, folder: Path, services: Services) -> Path:
    """Train what ``spec`` says and return ``folder``; at once if it is finished already.

    The folder then holds ``training.json`` (spec, steps, seconds, mean loss per epoch, device,
    precision) and ``weights.pt`` (a state dict); of an arm (``finetune``, ``alone``) with its own
    BatchNorm statistics, and as ``model.onnx``. The phase ``estimate`` leaves ``estimates.json``.

    Raises:
        BadModel, BadDataSet, BadSearch: the model or the data cannot be trained.
        Pending: the parent phase is being trained elsewhere.
        Cancelled: somebody asked for the end; the folder keeps the checkpoint.
    """
    if (folder / _DONE).exists():
        return folder
    parent = services.train(spec.parent) if spec.parent is not None else None
    folder.mkdir(parents=True, exist_ok=True)
    threads.use_all()
    stage = f"train:{spec.hash}"
    services.emit(Event(stage, "started", spec.title))
    model = loading.load(Path(spec.model), imgsz=spec.settings.imgsz)
    if model.net is None:
        raise BadSearch(f"{model.path.name} is an ONNX file; training needs a .pt or .yaml")
    original = sites.original(model.net, spec.settings.imgsz)
    if parent is not None:
        load_weights(model.net, parent)
    if spec.phase == "estimate":
        summary = _estimate(spec, model.net, original, folder, services, stage)
    else:
        summary = _fit(spec, model.net, original, folder, services, stage)
        if spec.phase in ARMS:
            _export(spec, model, folder, services)
        _write(folder / WEIGHTS, model.net.state_dict())
    document = {"spec": spec.to_dict(), "title": spec.title, **summary}
    part = folder / f"{_DONE}.part"
    part.write_text(json.dumps(document, indent=1))
    part.replace(folder / _DONE)
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    services.emit(Event(stage, "finished", spec.title, 1.0))
    return folder


def load_weights(net: nn.Module, folder: Path) -> None:
    """Put the weights of a finished training into ``net``, in place."""
    net.load_state_dict(torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True))


def read_summary(folder: Path) -> dict[str, Any]:
    """What ``training.json`` of a finished training says."""
    document: dict[str, Any] = json.loads((folder / _DONE).read_text())
    return document


def _fit(
    spec: TrainingSpec,
    net: nn.Module,
    original: Assignment,
    folder: Path,
    services: Services,
    stage: str,
) -> dict[str, Any]:
    settings = spec.settings
    split = data.open_data(Path(spec.data)).arrays("train", settings.imgsz)

    def nothing() -> None:
        return None

    before_step = nothing
    if spec.phase == "supernet":
        choices = open_sites(net, original, settings.activations)
        sampler = MixSampler(
            original, settings.activations, fixed_share=settings.fixed_share, seed=settings.seed
        )

        def before_step() -> None:
            set_mix(choices, sampler.draw())

    elif spec.assignment is not None:
        swap.apply(net, spec.assignment)
    first_epoch = {
        "adapt": 0,
        "supernet": settings.adapt_epochs,
        "alone": settings.adapt_epochs,
        "finetune": settings.adapt_epochs + settings.supernet_epochs,
    }[spec.phase]
    if spec.phase != "alone":
        return loop.fit(
            net,
            split,
            settings=settings,
            epochs=settings.epochs(spec.phase),
            peak_lr=getattr(settings, f"{spec.phase}_lr"),
            first_epoch=first_epoch,
            hooks=_hooks(services, stage, before_step, 0.0, 1.0),
            checkpoint=folder / _CHECKPOINT,
        )
    # An arm trained alone lives through the same two schedules, one after the other, as a pick.
    legs = [
        ("supernet", settings.supernet_epochs, settings.supernet_lr, first_epoch),
        (
            "finetune",
            settings.finetune_epochs,
            settings.finetune_lr,
            first_epoch + settings.supernet_epochs,
        ),
    ]
    done: list[dict[str, Any]] = []
    total = max(1, sum(leg[1] for leg in legs))
    start = 0.0
    for name, epochs, peak, first in legs:
        share = epochs / total
        done.append(
            loop.fit(
                net,
                split,
                settings=settings,
                epochs=epochs,
                peak_lr=peak,
                first_epoch=first,
                hooks=_hooks(services, stage, before_step, start, share),
                checkpoint=folder / f"{name}-{_CHECKPOINT}",
            )
        )
        start += share
    for name, *_ in legs:
        (folder / f"{name}-{_CHECKPOINT}").unlink(missing_ok=True)
    first_leg, last_leg = done
    return {
        **last_leg,
        "steps": first_leg["steps"] + last_leg["steps"],
        "epochs": first_leg["epochs"] + last_leg["epochs"],
        "seconds": first_leg["seconds"] + last_leg["seconds"],
        "losses": first_leg["losses"] + last_leg["losses"],
    }


def _export(spec: TrainingSpec, model: Model, folder: Path, services: Services) -> None:
    """BatchNorm statistics of this very arm, on the same images for every arm; then ONE ONNX."""
    assert model.net is not None
    split = data.open_data(Path(spec.data)).arrays(
        "train", spec.settings.imgsz, limit=spec.settings.batchnorm_images
    )
    services.pause_point()
    batchnorm.recompute(model.net, split.images)
    services.pause_point()
    export.export(model.net, folder / EXPORTED, imgsz=spec.settings.imgsz, names=model.names)


def _estimate(
    spec: TrainingSpec,
    net: nn.Module,
    original: Assignment,
    folder: Path,
    services: Services,
    stage: str,
) -> dict[str, Any]:
    settings = spec.settings
    split = data.open_data(Path(spec.data)).arrays("val", settings.imgsz)
    document = sensitivity.table(
        net,
        original,
        settings.activations,
        split=split,
        hooks=_hooks(services, stage, lambda: None, 0.0, 1.0),
    )
    part = folder / f"{ESTIMATES}.part"
    part.write_text(json.dumps(document))
    part.replace(folder / ESTIMATES)
    return {"seconds": document["seconds"], "images": document["images"]}


def _hooks(
    services: Services, stage: str, before_step: Any, start: float, share: float
) -> loop.Hooks:
    def progress(fraction: float, message: str) -> None:
        services.emit(Event(stage, "progress", message, start + share * fraction))

    return loop.Hooks(before_step=before_step, pause_point=services.pause_point, progress=progress)


def _write(path: Path, state: dict[str, torch.Tensor]) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
