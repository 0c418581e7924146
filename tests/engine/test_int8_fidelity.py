"""The NPU's int8 file of a real detector says what the fp32 file says, for every activation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from devices.assignment import Assignment
from devices.convert import tflite
from devices.runtimes.ethos_u_values import Int8Session
from engine import export, sites, swap
from engine.data import DataSet
from engine.training import batchnorm
from tests.engine.models import WithNet

IMGSZ = 160

# The least correlation of the scores. The nets are not trained after the swap, and where one is
# sharp (ReLU, LeakyReLU, GELU) its int8 form stays rough: these floors are about 0.7 of what is
# measured. Without corrected biases LeakyReLU gives 0.02, Hardswish 0.06, ReLU 0.10, identity 0.13,
# ELU 0.24, SiLU 0.52, Tanh 0.56; ReLU6 and GELU hardly change.
FLOORS = {
    "relu": 0.3,
    "relu6": 0.28,
    "leaky_relu": 0.12,
    "silu": 0.75,
    "hardswish": 0.55,
    "gelu": 0.28,
    "elu": 0.85,
    "tanh": 0.7,
    "hardsigmoid": 0.95,
    "identity": 0.85,
}


def _agreement(path: Path, images: NDArray[np.uint8]) -> tuple[float, float]:
    """Correlation of the decoded boxes and of the scores, int8 against fp32, median over images."""
    model = onnx.load(str(path))
    int8 = Int8Session(tflite.convert(model, lowering="tflite", images=images).content, threads=1)
    fp32 = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = []
    for image in images[:6]:
        pixels = image[None].astype(np.float32) / np.float32(255)
        (got,), (wanted,) = int8.run(pixels), fp32.run(None, {"images": pixels})
        # Where boxes lie follows from the grid; what the network adds is how large they are.
        size = np.corrcoef(got[0, 2:4].ravel(), wanted[0, 2:4].ravel())[0, 1]
        score = np.corrcoef(got[0, 4:].ravel(), wanted[0, 4:].ravel())[0, 1]
        rows.append((size, score))
    int8.close()
    size, score = np.median(rows, axis=0)
    return float(size), float(score)


@pytest.mark.parametrize("activation", tflite.RUNS)
def test_int8_keeps_what_the_network_says(
    abd: WithNet, drawings: DataSet, tmp_path: Path, activation: str
) -> None:
    images = drawings.arrays("train", IMGSZ).images
    found = sites.find(abd.net, imgsz=IMGSZ)
    uniform = Assignment(tuple((site.path, activation) for site in found))
    net = batchnorm.recompute(swap.swapped(abd.net, uniform), images)
    path = tmp_path / "model.onnx"
    export.export(net, path, imgsz=IMGSZ, names=abd.names)
    size, score = _agreement(path, images)
    assert size > 0.6
    assert score > FLOORS[activation]
