"""The artefact of every runtime that reads ONNX: the file as exported, or its fp16 or int8 form."""

from __future__ import annotations

import shutil
from pathlib import Path

from devices.files import atomic
from devices.runtimes.base import Artefact, Calibration, calibration_of
from devices.targets import Target


def convert(model: Path, *, target: Target, out: Path, calibration: Calibration | None) -> Artefact:
    """See :meth:`devices.runtimes.base.Runtime.convert`."""
    if target.precision == "fp32":
        with atomic(out) as part:
            shutil.copyfile(model, part)
        return Artefact.of(out)
    if target.precision == "fp16":
        # Only fp16 needs what ONNX Runtime's package brings for it.
        from devices.convert.half import halve

        with atomic(out) as part:
            details = halve(model, part)
        return Artefact.of(out, **details)
    images = calibration_of(target, calibration)
    # Quantising brings in more of ONNX Runtime than running does, and only int8 needs it.
    from devices.convert.quantise import quantise

    with atomic(out) as part:
        details = quantise(model, part, images=images)
    return Artefact.of(out, **details)
