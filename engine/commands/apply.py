"""``actnas apply``."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.assignment import Assignment
from devices.errors import BadRequest
from engine import assignments
from engine.commands.inputs import Outcome, document_of, facts, load, sites_of

if TYPE_CHECKING:
    from engine.loading import Model

RECALIBRATION_IMAGES = 128


def run(options: argparse.Namespace) -> Outcome:
    """The model with the activations of an assignment, as one ONNX file."""
    out: Path = options.out
    if out.suffix != ".onnx":
        raise BadRequest(f"--out {out} must end in .onnx")
    if not out.parent.is_dir():
        raise BadRequest(f"no folder {out.parent} for --out {out}")
    wanted = assignments.read(options.assignment)
    model = load(options)
    original = Assignment(tuple((path, activation) for path, activation, _ in sites_of(model)))
    mix = assignments.fitted(wanted, original)
    document: dict[str, Any] = {
        "schema": "actnas.apply/1",
        "model": facts(model),
        "assignment": document_of(mix),
        "recalibration_images": 0,
    }
    if model.net is not None:
        document |= _apply_torch(options, model, mix, out)
    else:
        document |= _apply_onnx(options, model, mix, out)

    def show() -> None:
        counts = ", ".join(f"{n} {name}" for name, n in mix.counts().items())
        print(f"{out}: {counts}; sha256 {document['sha256']}")

    return document, show


def _apply_torch(
    options: argparse.Namespace, model: Model, mix: Assignment, out: Path
) -> dict[str, Any]:
    from engine import export, swap

    assert model.net is not None
    net = swap.swapped(model.net, mix)
    used = 0
    if options.data is not None:
        from engine.data import open_data
        from engine.training import batchnorm

        split = open_data(options.data).arrays("train", model.imgsz, limit=RECALIBRATION_IMAGES)
        batchnorm.recompute(net, split.images)
        used = len(split.images)
    exported = export.export(net, out, imgsz=model.imgsz, names=model.names)
    return {
        "file": str(out),
        "sha256": exported.sha256,
        "max_abs_error": exported.max_abs_error,
        "recalibration_images": used,
    }


def _apply_onnx(
    options: argparse.Namespace, model: Model, mix: Assignment, out: Path
) -> dict[str, Any]:
    from engine import onnx_model

    if options.data is not None:
        raise BadRequest(
            f"{model.path.name} is an ONNX file, whose BatchNorm is folded into its weights; "
            "give --no-recalibrate, or apply to the .pt"
        )
    assert model.onnx is not None
    content = onnx_model.swapped(model.onnx, mix).SerializeToString(deterministic=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return {"file": str(out), "sha256": hashlib.sha256(content).hexdigest()}
