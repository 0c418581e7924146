"""Jobs over the tiny detector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices.protocol import Arm, File, MeasureJob, Settings
from devices.runtimes.base import sha256
from devices.targets import Target
from tests.devices import graphs

SITES = tuple(f"{place}.act" for place in graphs.SITES)
QUICK = Settings(min_blocks=2, max_blocks=2, rounds=3, warmup=1, warmup_ms=0, max_seconds=20)


def running(targets: Iterable[Target]) -> pytest.MarkDecorator:
    """Parametrizes ``target``, each marked with what running (not converting) its files needs."""
    return pytest.mark.parametrize(
        "target",
        [
            pytest.param(target, id=target.id, marks=[pytest.mark.gpu] if is_gpu(target) else [])
            for target in targets
        ],
    )


def is_gpu(target: Target) -> bool:
    return target.hardware == "gpu"


def file(path: Path) -> File:
    return File(path=str(path), sha256=sha256(path))


def detector(folder: Path) -> File:
    return file(graphs.save(graphs.detector(sites=True), folder / "detector.onnx"))


def calibration(folder: Path) -> File:
    path = folder / "calibration.npz"
    np.savez(path, images=graphs.images(8))
    return file(path)


def job(folder: Path, target: str, *activations: str, **changes: Any) -> MeasureJob:
    """The tiny detector as it is, against one arm for each activation, everywhere."""
    base = detector(folder)
    arms = [Arm(name="original", file=base)]
    arms += [
        Arm(name=f"uniform:{name}", file=base, assignment=dict.fromkeys(SITES, name))
        for name in activations
    ]
    fields: dict[str, Any] = {
        "id": "job-1",
        "target": target,
        "arms": arms,
        "baseline": "original",
        "calibration": calibration(folder),
        "settings": QUICK,
    }
    return MeasureJob(**{**fields, **changes})
