from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from devices.assignment import Assignment
from devices.errors import BadRequest
from engine import export, sites, swap
from engine.data import DataSet
from engine.errors import BadSearch
from engine.onnx_distortion import OutputDistortion
from tests.engine.models import WithNet

SIDE = 96


@pytest.fixture(scope="module")
def images(drawings: DataSet) -> NDArray[np.uint8]:
    return drawings.arrays("train", SIDE, limit=3).images


@pytest.fixture(scope="module")
def measured(
    abd: WithNet, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> OutputDistortion:
    path = tmp_path_factory.mktemp("onnx") / "abd.onnx"
    export.export(abd.net, path, imgsz=SIDE, names=abd.names)
    return OutputDistortion(onnx.load(path), images, threads=1)


def torch_distortion(net: Any, mix: Assignment, images: NDArray[np.uint8]) -> float:
    """The formula on the raw outputs of the head's branches, in torch."""

    def raw(net: Any) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return dict(net(torch.from_numpy(images).float() / 255)[1])

    original, mixed = raw(net), raw(swap.swapped(net, mix))
    cells = [(SIDE // stride) ** 2 for stride in (8, 16, 32)]  # a tensor a scale, as in the graph
    errors = []
    for key in ("boxes", "scores"):
        for a, b in zip(original[key].split(cells, -1), mixed[key].split(cells, -1), strict=True):
            errors.append(float((b - a).square().sum() / (a - a.mean()).square().sum()))
    return float(np.mean(errors))


def test_it_is_the_formula_of_its_docstring(
    abd: WithNet, measured: OutputDistortion, images: NDArray[np.uint8]
) -> None:
    original = sites.original(abd.net, SIDE)
    assert measured.of(original) == 0
    for mix in (
        original.replace({original.sites[3]: "relu"}),
        original.replace(dict.fromkeys(original.sites[::2], "hardswish")),
    ):
        expected = torch_distortion(abd.net, mix, images)
        assert expected > 1e-4
        assert measured.of(mix) == pytest.approx(expected, rel=1e-3)


def test_what_overflows_is_the_largest_and_no_nan(
    abd: WithNet, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = export.export(abd.net, tmp_path / "a.onnx", imgsz=SIDE, names=abd.names).path
    model = onnx.load(path)
    first = next(t for t in model.graph.initializer if t.name == "model.0.conv.weight")
    huge = onnx.numpy_helper.to_array(first) * np.float32(1e30)
    first.CopyFrom(onnx.numpy_helper.from_array(huge, first.name))
    tanh = Assignment.uniform(["model.0.act"], "tanh")
    bounded = OutputDistortion(graph_with(model, tanh), images[:1], threads=1)
    assert bounded.of(Assignment.uniform(["model.0.act"], "relu")) == 1e9


def graph_with(model: onnx.ModelProto, mix: Assignment) -> onnx.ModelProto:
    from devices import graph

    return graph.swap(model, mix.mapping)


def test_what_cannot_be_measured_is_said(
    measured: OutputDistortion, images: NDArray[np.uint8], abd: WithNet, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="no site 'elsewhere'"):
        measured.of(Assignment.uniform(["elsewhere"], "relu"))
    path = export.export(abd.net, tmp_path / "a.onnx", imgsz=SIDE, names=abd.names).path
    model = onnx.load(path)
    for odd in (images[:0], images[..., :64]):
        with pytest.raises(BadSearch, match=r"this model needs \[n, 3, 96, 96\] with n >= 1"):
            OutputDistortion(model, odd, threads=1)
