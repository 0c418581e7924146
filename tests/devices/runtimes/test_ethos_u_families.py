"""Whole detectors of several families: grouped and depthwise convolutions, attention, average
pooling, transposed convolutions. One file is costed by Vela and run by LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from devices import graph, targets
from devices.convert import tflite
from devices.runtimes import get
from devices.runtimes.ethos_u import EthosU
from devices.runtimes.litert import LiteRt
from engine import export

SIZE, CLASSES = 96, 5
ETHOS_U = [target for target in targets.TARGETS if target.runtime == "ethos_u"]
# Between fp32 TFLite and ONNX: pixels of boxes that lie some 60 apart, scores.
FP32_PIXELS, FP32_SCORES = 0.005, 1e-5
# Int8 against ONNX in fp32, as correlations over all cells: the worst box coordinate, the scores. A
# trained detector is in test_ethos_u.py.
BOXES, SCORES = 0.995, 0.97


def _images(n: int, *, seed: int) -> NDArray[np.uint8]:
    """Smooth ones, as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 3, SIZE // 16, SIZE // 16))
    smooth = nn.functional.interpolate(
        torch.from_numpy(coarse).float(), (SIZE, SIZE), mode="bicubic"
    )
    return smooth.clamp(0, 255).numpy().astype(np.uint8)


def _float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)


def _detector(family: str, path: Path) -> onnx.ModelProto:
    """Random weights, with BatchNorm statistics of real maps: without, all maps fade to nothing.

    BatchNorm adds 1, so that activations mostly see values above zero. Around zero random layers
    amplify rounding from one to the next, and what comes out depends on the processor.
    """
    torch.manual_seed(1)
    net = DetectionModel(f"{family}.yaml", nc=CLASSES, verbose=False)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
            nn.init.ones_(module.bias)
    with torch.no_grad():
        net.train()(torch.from_numpy(_float(_images(16, seed=1))))
    export.export(net.eval(), path, imgsz=SIZE, names={i: str(i) for i in range(CLASSES)})
    return onnx.load(path)


@pytest.mark.parametrize(
    "family",
    [
        "yolov5n",
        "yolo11n",
        *(
            pytest.param(family, marks=pytest.mark.slow)
            for family in ("yolov6n", "yolov8n", "yolov9t", "yolov10n", "yolo12n", "yolo26n")
        ),
    ],
)
def test_a_family_runs_whole_on_every_ethos_u(family: str, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    model = _detector(family, path)
    image = _float(_images(1, seed=7))
    (wanted,) = get(targets.get("cpu-onnxruntime-fp32")).open(path, threads=1).run(image)

    whole = tmp_path / "whole.tflite"
    whole.write_bytes(tflite.convert_whole(model, images=None))
    (real,) = LiteRt().open(whole, threads=1).run(image)
    np.testing.assert_allclose(real[:, :4], wanted[:, :4], atol=FP32_PIXELS)
    np.testing.assert_allclose(real[:, 4:], wanted[:, 4:], atol=FP32_SCORES)

    converted = tflite.convert(model, lowering="tflite", images=_images(16, seed=0))
    assert converted.calibrated
    assert len(converted.network.outputs) == 6
    file = tmp_path / "model.tflite"
    file.write_bytes(converted.content)
    sites = [site.key for site in graph.find_sites(model)]
    for target in ETHOS_U:  # refuses any operator that would be left to the CPU
        figure = EthosU().estimate(file, model=path, target=target)
        assert [time.site for time in figure.profile[:-1]] == sites
        assert sum(time.ms for time in figure.profile) == pytest.approx(figure.latency_ms)

    (got,) = EthosU().open(file, threads=1).run(image)
    boxes = [np.corrcoef(got[0, row], wanted[0, row])[0, 1] for row in range(4)]
    scores = np.corrcoef(got[0, 4:].ravel(), wanted[0, 4:].ravel())[0, 1]
    assert min(boxes) > BOXES
    assert scores > SCORES
