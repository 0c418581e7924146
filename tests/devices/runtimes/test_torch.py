from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from devices import targets
from devices.errors import MeasurementFailed
from devices.runtimes import get
from tests.devices import graphs
from tests.devices.convert import small_nets

TARGET = targets.get("cpu-torch-fp32")


def test_an_archive_with_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    """PyTorch's own loader would read it with pickle, which can run code."""
    path = tmp_path / "theirs.pt2"
    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.ones(2),)), path)
    with pytest.raises(MeasurementFailed, match=r"sample_inputs/model.pt may hold a pickle"):
        get(TARGET).open(path, threads=1)


def test_the_archive_does_not_depend_on_its_name(tmp_path: Path) -> None:
    model = graphs.save(graphs.detector(sites=True), tmp_path / "detector.onnx")
    runtime = get(TARGET)
    found = {
        runtime.convert(model, target=TARGET, out=tmp_path / name, calibration=None).sha256
        for name in ("one.pt2", "another.pt2")
    }
    assert len(found) == 1


@pytest.mark.parametrize("net", [small_nets.every_layer, small_nets.attention, small_nets.resized])
def test_every_layer_computes_what_onnx_does(
    net: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    path = graphs.save(net(), tmp_path / "net.onnx")
    artefact = get(TARGET).convert(path, target=TARGET, out=tmp_path / "a.pt2", calibration=None)
    session = get(TARGET).open(artefact.path, threads=1)
    image = np.random.default_rng(0).random(session.shape, np.float32)
    (wanted,) = get(targets.get("cpu-onnxruntime-fp32")).open(path, threads=1).run(image)
    np.testing.assert_allclose(session.run(image)[0], wanted, atol=1e-4)


def test_threads_are_those_asked_for(tmp_path: Path) -> None:
    model = graphs.save(graphs.detector(sites=True), tmp_path / "detector.onnx")
    artefact = get(TARGET).convert(model, target=TARGET, out=tmp_path / "a.pt2", calibration=None)
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            get(TARGET).open(artefact.path, threads=threads)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
