from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devices import targets
from devices.errors import MeasurementFailed, Unsupported
from devices.runtimes import get
from tests.devices.convert import small_nets
from tests.devices.convert.small_nets import Net
from tests.devices.graphs import save

TARGET = targets.get("cpu-ncnn-fp32")


def test_an_operator_that_ncnn_lacks_is_named(tmp_path: Path) -> None:
    net = Net(1, 3, 16, 16)
    (x,) = net.op("Det", "odd", net.conv("conv0", "images", (3, 4)))
    model = save(net.model(x), tmp_path / "odd.onnx")
    with pytest.raises(Unsupported, match=r"ncnn has no layer Det$"):
        get(TARGET).convert(model, target=TARGET, out=tmp_path / "odd.ncnn", calibration=None)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.onnx"]


def test_a_site_without_a_convolution_has_no_time_of_its_own(tmp_path: Path) -> None:
    net = Net(1, 3, 16, 16)
    x = net.conv("conv0", "images", (3, 4))
    (y,) = net.op("Add", "sum", x, net.silu("act0", x))
    path = save(net.model(net.conv("last", net.silu("act1", y), (4, 4))), tmp_path / "a.onnx")
    artefact = get(TARGET).convert(path, target=TARGET, out=tmp_path / "a.ncnn", calibration=None)
    with pytest.raises(MeasurementFailed, match="site 'act1' follows no convolution"):
        get(TARGET).profile(artefact.path, model=path, runs=1, threads=1)


def test_a_split_without_sizes_is_converted_whole(tmp_path: Path) -> None:
    path = save(small_nets.every_layer(), tmp_path / "a.onnx")
    artefact = get(TARGET).convert(path, target=TARGET, out=tmp_path / "a.ncnn", calibration=None)
    image = np.random.default_rng(0).random((1, 3, 60, 60), np.float32)
    (got,) = get(TARGET).open(artefact.path, threads=1).run(image)
    (wanted,) = get(targets.get("cpu-onnxruntime-fp32")).open(path, threads=1).run(image)
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    profile = get(TARGET).profile(artefact.path, model=path, runs=2, threads=1)
    assert [entry.site for entry in profile] == ["act0", "act1", "act2", "act3", ""]
    assert all(entry.ms > 0 for entry in profile)
