"""The models of the uniform study: structures of ultralytics, with random weights from a seed.

No latency depends on what the weights are, so none has to be trained for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import ultralytics
from numpy.typing import NDArray

from devices.assignment import Assignment
from devices.protocol import File
from devices.runtimes.base import sha256
from engine import export, loading, sites
from engine.data import read_image

STRUCTURES = {"YOLOv5n": "v5/yolov5.yaml", "YOLOv8n": "v8/yolov8.yaml", "YOLO11n": "11/yolo11.yaml"}
_PACKAGE = Path(ultralytics.__file__).parent
_PHOTOGRAPHS = ("bus.jpg", "zidane.jpg")
_TILES = 32  # calibration images


@dataclass(frozen=True)
class Base:
    """An exported model with SiLU everywhere, and the same sites with other activations."""

    file: File
    original: Assignment

    def uniform(self, activation: str) -> Assignment:
        return Assignment.uniform(self.original.sites, activation)


@lru_cache(maxsize=1)  # all targets of a size and model follow each other
def base(name: str, imgsz: int, work: Path) -> Base:
    """The model ``name`` at ``imgsz`` pixels; the same bytes in every run of the same versions."""
    folder = work / f"{name}-{imgsz}"
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / f"{name.lower()}.yaml"  # its last letter is the scale
    source = _PACKAGE / "cfg" / "models" / STRUCTURES[name]
    described.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    torch.manual_seed(0)
    model = loading.load(described, imgsz=imgsz)
    assert model.net is not None
    path = folder / "base.onnx"
    export.export(model.net, path, imgsz=imgsz, names=model.names)
    original = sites.original(model.net, imgsz)
    return Base(File(path=str(path.resolve()), sha256=sha256(path)), original)


def calibration(imgsz: int, work: Path) -> File:
    """Tiles of the two photographs that ultralytics ships, as a job carries them."""
    path = work / f"calibration-{imgsz}.npz"
    if not path.exists():
        photographs = [read_image(_PACKAGE / "assets" / name) for name in _PHOTOGRAPHS]
        dice = np.random.default_rng(0)
        tiles = [_tile(photographs[n % 2], imgsz, dice) for n in range(_TILES)]
        np.savez_compressed(path, images=np.stack(tiles))
    return File(path=str(path.resolve()), sha256=sha256(path))


def _tile(image: NDArray[np.uint8], imgsz: int, dice: np.random.Generator) -> NDArray[np.uint8]:
    """A random square of the photograph, channels first."""
    top, left = (int(dice.integers(0, length - imgsz + 1)) for length in image.shape[:2])
    square = image[top : top + imgsz, left : left + imgsz]
    return np.ascontiguousarray(square.transpose(2, 0, 1))
