"""What the commands share: reading models, assignments and images, and saying what they are."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.protocol import File

if TYPE_CHECKING:
    from engine.loading import Model

CALIBRATION_IMAGES = 32

# A JSON document, and a function that shows the same to a person on stdout.
Outcome = tuple[dict[str, Any], Callable[[], None]]


def load(options: argparse.Namespace) -> Model:
    """The model that MODEL and --imgsz name."""
    check_file(options.model, "model")
    from engine import loading

    return loading.load(options.model, imgsz=options.imgsz)


def sites_of(model: Model) -> list[tuple[str, str, tuple[int, ...] | None]]:
    """(path, activation, shape of the output) of each site, in execution order."""
    if model.net is not None:
        from engine import sites

        found = sites.find(model.net, imgsz=model.imgsz)
        return [(site.path, site.activation, site.shape) for site in found]
    from devices import graph

    assert model.onnx is not None
    keyed = graph.find_sites(model.onnx)
    return [(s.key, s.activation, s.shape[1:] if s.shape else None) for s in keyed]


def facts(model: Model) -> dict[str, Any]:
    """What the JSON documents say about a model."""
    from engine.result import ModelFacts

    return ModelFacts(
        sha256=model.sha256,
        kind=model.kind,
        family=model.family,
        classes=len(model.names),
        imgsz=model.imgsz,
        weights=model.weights,
    ).model_dump()


def base_file(model: Model, path: Path) -> File:
    """The fp32 ONNX that a device swaps activations in."""
    if model.net is None:
        return File(path=str(model.path.resolve()), sha256=model.sha256)
    from engine import export

    exported = export.export(model.net, path, imgsz=model.imgsz, names=model.names)
    return File(path=str(exported.path), sha256=exported.sha256)


def calibration_file(data: Path, imgsz: int, path: Path) -> File:
    """Calibration images of the train split, written to ``path`` as a job carries them."""
    import numpy as np

    from engine.data import open_data

    split = open_data(data).arrays("train", imgsz, limit=CALIBRATION_IMAGES)
    np.savez(path, images=split.images)
    return File(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def document_of(assignment: Assignment) -> dict[str, Any]:
    """The assignment's JSON document as a dict."""
    document: dict[str, Any] = json.loads(assignment.to_json())
    return document


def names_in(text: str) -> list[str]:
    """The names that an option like ``--activations a,b`` lists."""
    return [name.strip() for name in text.split(",")]


def check_file(path: Path, what: str) -> None:
    """Raises BadRequest unless ``path`` is a file."""
    if not path.is_file():
        raise BadRequest(f"no {what} file {path}")
