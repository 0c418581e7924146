"""The ground floor on the real YOLOv8n, as the engine exports it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from devices import runtimes, targets
from devices.convert.quantise import quantise
from devices.decode import decode_nodes
from devices.graph import check_untrusted, find_sites, swap
from devices.runtimes.onnxruntime import OnnxRuntime
from devices.shapes import static_shapes
from devices.targets import Target
from engine import export, loading
from engine.data import open_data
from tests.devices import jobs

SIZE = 160
MIX = ("relu", "silu", "hardswish", "leaky_relu", "gelu", "elu", "relu6", "mish")

FP32 = [t for t in targets.TARGETS if t.kind == "measured" and t.precision == "fp32"]


@pytest.fixture(scope="module")
def detector(abd_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    model = loading.load(abd_checkpoint, imgsz=SIZE)
    assert model.net is not None
    export.export(model.net, path, imgsz=SIZE, names=model.names)
    return path


@pytest.fixture(scope="module")
def images(molecules: Path) -> NDArray[np.uint8]:
    return open_data(molecules).arrays("train", SIZE, limit=12).images


def _mixed(detector: Path, folder: Path) -> Path:
    model = onnx.load(detector)
    keys = [site.key for site in find_sites(model)]
    mix = {key: MIX[i % len(MIX)] for i, key in enumerate(keys)}
    path = folder / "mix.onnx"
    onnx.save(swap(model, mix), path)
    return path


def test_its_57_sites_go_by_module_path(detector: Path) -> None:
    sites = find_sites(check_untrusted(detector))
    assert len(sites) == 57
    assert {site.activation for site in sites} == {"silu"}
    assert sites[0].key == "model.0.act"
    assert sites[0].shape == (1, 16, SIZE // 2, SIZE // 2)
    assert all(site.shape is not None for site in sites)


def test_its_decode_is_the_head_outside_its_branches(detector: Path) -> None:
    graph = onnx.load(detector).graph
    decode = decode_nodes(graph)
    head = max(int(n.name.split("/")[1].split(".")[1]) for n in graph.node if "/model." in n.name)
    by_name = {
        node.name
        for node in graph.node
        if node.name.startswith(f"/model.{head}/")
        and not node.name.startswith((f"/model.{head}/cv2", f"/model.{head}/cv3"))
    }
    assert decode == by_name


def test_every_shape_is_known(detector: Path) -> None:
    model = onnx.load(detector)
    shapes = static_shapes(model)
    assert [out for node in model.graph.node for out in node.output if out not in shapes] == []


@jobs.running(FP32)
def test_a_mix_runs_alike_everywhere(
    target: Target, detector: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    mix = _mixed(detector, tmp_path)
    image = images[:1].astype(np.float32) / np.float32(255)
    (wanted,) = OnnxRuntime().open(mix, threads=1).run(image)
    runtime = runtimes.get(target)
    artefact = runtime.convert(
        mix, target=target, out=tmp_path / f"artefact{runtime.suffix}", calibration=None
    )
    (found,) = runtime.open(artefact.path, threads=1).run(image)
    np.testing.assert_allclose(found[:, :4], wanted[:, :4], atol=0.05)  # pixels
    np.testing.assert_allclose(found[:, 4:], wanted[:, 4:], atol=1e-4)


@pytest.mark.parametrize(
    "target",
    [
        "cpu-onnxruntime-fp32",
        "cpu-onnxruntime-int8",
        "cpu-openvino-fp32",
        "cpu-openvino-int8",
        "cpu-ncnn-fp32",
        "cpu-torch-fp32",
    ],
)
def test_every_site_of_a_mix_has_time_of_its_own(
    target: str, detector: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    mix = _mixed(detector, tmp_path)
    row = targets.get(target)
    runtime = runtimes.get(row)
    artefact = runtime.convert(
        mix, target=row, out=tmp_path / f"artefact{runtime.suffix}", calibration=images
    )
    profile = runtime.profile(artefact.path, model=mix, runs=5, threads=1)
    assert [entry.site for entry in profile[:-1]] == [s.key for s in find_sites(onnx.load(mix))]
    assert all(entry.ms > 0 for entry in profile)
    # Convolutions and activations are the model; decode, concatenation and the like are not.
    assert profile[-1].ms < 0.5 * sum(entry.ms for entry in profile)


def test_int8_scores_follow_the_float_ones(
    detector: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    int8 = tmp_path / "int8.onnx"
    quantise(detector, int8, images=images)
    image = images[:1].astype(np.float32) / np.float32(255)
    runtime = OnnxRuntime()
    (wanted,) = runtime.open(detector, threads=1).run(image)
    (found,) = runtime.open(int8, threads=1).run(image)
    assert np.corrcoef(found[0, :4].ravel(), wanted[0, :4].ravel())[0, 1] > 0.99
    # One scale for boxes and scores would round every score to zero.
    assert np.corrcoef(found[0, 4:].ravel(), wanted[0, 4:].ravel())[0, 1] > 0.8
