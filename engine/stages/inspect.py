"""First stage: load the model safely, find its sites, export the base graph, look at the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from devices import graph
from devices.files import atomic
from engine import export, sites
from engine.data import SPLITS
from engine.data_info import describe
from engine.errors import BadSearch
from engine.stages.context import Context

CALIBRATION_IMAGES = 32


def run(context: Context) -> dict[str, Any]:
    """Facts of the model and the data; files/base.onnx and files/calibration.npz are written.

    Raises:
        BadModel, BadDataSet: the upload cannot be used.
        BadSearch: model and data do not fit each other, or the target needs what is not there.
    """
    model = context.model
    base = context.spec.out / "files" / "base.onnx"
    if model.net is not None:
        found = sites.find(model.net, imgsz=model.imgsz)
        exported = export.export(model.net, base, imgsz=model.imgsz, names=model.names)
        listed = [(s.path, s.activation, list(s.shape)) for s in found]
        error: float | None = exported.max_abs_error
    else:
        assert model.onnx is not None
        with atomic(base) as part:
            onnx.save(model.onnx, str(part))
        listed = [
            (s.key, s.activation, list(s.shape[1:] if s.shape else []))
            for s in graph.find_sites(model.onnx)
        ]
        error = None
    if not listed:
        raise BadSearch(f"{model.path.name} has no activation site; there is nothing to choose")
    return {
        "sha256": model.sha256,
        "kind": model.kind,
        "family": model.family,
        "weights": model.weights,
        "imgsz": model.imgsz,
        "names": {str(k): v for k, v in model.names.items()},
        "sites": [{"path": p, "activation": a, "shape": shape} for p, a, shape in listed],
        "base": context.keep(base),
        "max_abs_error": error,
        "data": _data(context),
        "calibration": _calibration(context),
    }


def _data(context: Context) -> dict[str, Any] | None:
    if context.data is None:
        return None
    theirs, ours = context.model.names, context.data.names
    if dict(theirs) != dict(ours):
        odd = next((k for k in sorted({*theirs, *ours}) if theirs.get(k) != ours.get(k)), 0)
        raise BadSearch(
            f"class {odd} is {ours.get(odd)!r} in the data set and {theirs.get(odd)!r} in the "
            "model; the class names of both must be the same, in the same order"
        )
    missing = [split for split in SPLITS if split not in context.data.splits]
    if missing:
        raise BadSearch(
            f"the data set has no {missing[0]} split; train, val and test are needed "
            "(choices use val, published figures use test once)"
        )
    info = describe(context.data)
    return {"sha256": info.sha256, "classes": len(ours), "images": info.images}


def _calibration(context: Context) -> dict[str, str] | None:
    """The first train images, for targets that quantise; None without data."""
    if context.target.precision != "int8":
        return None
    if context.data is None:
        if context.target.needs_calibration:
            raise BadSearch(
                f"{context.target.id} is quantised with images of a data set; give one, "
                "or choose a target that needs none"
            )
        return None
    split = context.data.arrays("train", context.model.imgsz, limit=CALIBRATION_IMAGES)
    path = context.spec.out / "files" / "calibration.npz"
    with atomic(path) as part:
        np.savez_compressed(part, images=split.images)
    return context.keep(path)
