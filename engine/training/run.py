"""Run one phase of training into its folder; resumes where it was cut."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from devices.assignment import Assignment
from engine import data, export, loading, sites, threads
from engine.errors import BadSearch
from engine.estimators import sensitivity
from engine.evaluation import evaluate_net
from engine.loading import Model
from engine.services import Event, Services
from engine.training import batchnorm, blend, loop
from engine.training.choice import MixSampler, open_sites, set_mix
from engine.training.distillation import Teacher
from engine.training.last_quarter import LastQuarter
from engine.training.loop import Parts, Schedule
from engine.training.spec import TrainingSpec

WEIGHTS = "weights.pt"
ESTIMATES = "estimates.json"
EXPORTED = "model.onnx"
TEACHER_WITHIN = 0.02  # mAP50-95 on val by which an upload may be behind the reference arm
_DONE = "training.json"
_CHECKPOINT = "-checkpoint.pt"


def run(spec: TrainingSpec, *, folder: Path, services: Services) -> Path:
    """Train what ``spec`` says and return ``folder``; at once if it is finished already.

    The folder then holds ``training.json`` (spec, steps, seconds, mean loss per epoch, device,
    precision) and ``weights.pt`` (a state dict); of an arm with its own BatchNorm statistics, and
    as ``model.onnx``. Of the reference arm it also says what the last quarter of its epochs gained
    (:mod:`engine.training.last_quarter`). The phase ``estimate`` leaves ``estimates.json``.

    Raises:
        BadModel, BadDataSet, BadSearch: the model or the data cannot be trained.
        Pending: the parent phase is being trained elsewhere.
        Cancelled: somebody asked for the end; the folder keeps the checkpoint.
    """
    if (folder / _DONE).exists():
        return folder
    parent = services.train(spec.parent) if spec.parent is not None else None
    taught_by = services.train(spec.teacher) if spec.teacher is not None else None
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
    gain = LastQuarter(spec, model, folder) if spec.is_reference else None
    if spec.phase == "estimate":
        summary = _estimate(spec, model.net, original, folder, services, stage)
    elif spec.phase == "teacher":
        assert parent is not None
        summary = _choose_teacher(spec, parent, folder, services)
    else:
        teacher = _teacher(spec, taught_by) if taught_by is not None else None
        hooks = _hooks(services, stage, 0.0, 1.0, epoch=gain.epoch if gain else None)
        summary = _fit(spec, model.net, original, teacher, folder, hooks)
        if spec.phase == "arm":
            _export(spec, model, folder, services)
        if gain is not None:
            services.pause_point()
            summary["last_quarter"] = gain.end(model.net)
        _write(folder / WEIGHTS, model.net.state_dict())
    document = {"spec": spec.to_dict(), "title": spec.title, **summary}
    part = folder / f"{_DONE}.part"
    part.write_text(json.dumps(document, indent=1))
    part.replace(folder / _DONE)
    for checkpoint in folder.glob(f"*{_CHECKPOINT}"):
        checkpoint.unlink()
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
    teacher: Teacher | None,
    folder: Path,
    hooks: loop.Hooks,
) -> dict[str, Any]:
    settings = spec.settings
    split = data.open_data(Path(spec.data)).arrays("train", settings.imgsz)
    parts = _parts(spec, net, original, images=len(split))
    found = loop.fit(
        net,
        split,
        settings=settings,
        schedule=_schedule(spec),
        hooks=hooks,
        checkpoint=folder / f"{spec.phase}{_CHECKPOINT}",
        parts=parts,
        teacher=teacher,
    )
    blend.close_sites(net)
    return found


def _schedule(spec: TrainingSpec) -> Schedule:
    settings = spec.settings
    if spec.phase == "adapt":
        return Schedule(settings.adapt_epochs, settings.adapt_lr, 0)
    if spec.phase == "supernet":
        return Schedule(settings.supernet_epochs, settings.supernet_lr, settings.adapt_epochs)
    return Schedule(settings.arm_epochs, settings.arm_lr, settings.adapt_epochs)


def _parts(spec: TrainingSpec, net: nn.Module, original: Assignment, *, images: int) -> Parts:
    """What changes before each part of a batch; opens the sites of ``net`` that change."""
    settings = spec.settings
    if spec.phase == "supernet":
        choices = open_sites(net, original, settings.activations)
        size = min(settings.batch, images)
        mixes = max(1, min(settings.mixes, size // 2))  # BatchNorm wants two images a part
        sampler = MixSampler(original, settings.activations, mixes=mixes, seed=settings.seed)
        return lambda step, _: [partial(set_mix, choices, mix) for mix in sampler.draw(step)]
    if spec.phase == "arm" and spec.assignment is not None:
        blends = blend.open_sites(net, original, spec.assignment)
        return lambda _, fraction: [partial(blend.anneal, blends, fraction)]
    return loop.whole


def _teacher(spec: TrainingSpec, folder: Path) -> Teacher:
    net = loading.load(Path(spec.model), imgsz=spec.settings.imgsz).net
    assert net is not None
    load_weights(net, folder)
    return Teacher(net)


def _choose_teacher(
    spec: TrainingSpec, reference: Path, folder: Path, services: Services
) -> dict[str, Any]:
    """The uploaded model if its val mAP is close to the reference arm's, else the reference arm."""
    started = time.monotonic()
    split = data.open_data(Path(spec.data)).arrays("val", spec.settings.imgsz)
    model = loading.load(Path(spec.model), imgsz=spec.settings.imgsz)
    assert model.net is not None
    uploaded = copy.deepcopy(model.net.state_dict())
    services.pause_point()
    scores = {"uploaded": evaluate_net(model.net, split, names=model.names).map50_95}
    load_weights(model.net, reference)
    services.pause_point()
    scores["reference"] = evaluate_net(model.net, split, names=model.names).map50_95
    close = scores["uploaded"] >= scores["reference"] - TEACHER_WITHIN
    _write(folder / WEIGHTS, uploaded if close else model.net.state_dict())
    return {
        "teacher": "uploaded" if close else "reference",
        "val_map50_95": scores,
        "seconds": round(time.monotonic() - started, 3),
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
        hooks=_hooks(services, stage, 0.0, 1.0),
    )
    part = folder / f"{ESTIMATES}.part"
    part.write_text(json.dumps(document))
    part.replace(folder / ESTIMATES)
    return {"seconds": document["seconds"], "images": document["images"]}


def _hooks(
    services: Services,
    stage: str,
    start: float,
    share: float,
    *,
    epoch: Callable[[int, nn.Module], None] | None = None,
) -> loop.Hooks:
    def progress(fraction: float, message: str) -> None:
        services.emit(Event(stage, "progress", message, start + share * fraction))

    plain = loop.Hooks(pause_point=services.pause_point, progress=progress)
    return plain if epoch is None else replace(plain, epoch=epoch)


def _write(path: Path, state: dict[str, torch.Tensor]) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
