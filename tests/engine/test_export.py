from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from devices import activations as catalog
from devices import graph
from devices.assignment import Assignment
from engine import export, sites, swap
from engine.errors import BadSearch
from tests.engine.models import WithNet

WITH_NODES = [name for name in catalog.NAMES if name != "identity"]


def keyed(model: onnx.ModelProto) -> Assignment:
    return Assignment(tuple((site.key, site.activation) for site in graph.find_sites(model)))


@pytest.mark.parametrize("activation", WITH_NODES)
def test_every_activation_is_found_again_in_the_graph(
    abd: WithNet, tmp_path: Path, activation: str
) -> None:
    wanted = Assignment.uniform(sites.original(abd.net, 64).sites, activation)
    path = tmp_path / "a.onnx"
    done = export.export(abd.net, path, imgsz=64, names=abd.names, assignment=wanted)
    assert keyed(onnx.load(path)) == wanted
    assert done.max_abs_error < 0.02  # pixels
    assert sites.original(abd.net, 64).counts() == {"silu": 57}


def test_swapping_the_graph_equals_swapping_the_net(abd: WithNet, tmp_path: Path) -> None:
    original = sites.original(abd.net, 64)
    mix = original.replace(dict.fromkeys(original.sites[::2], "relu"))
    base = export.export(abd.net, tmp_path / "a.onnx", imgsz=64, names=abd.names).path
    swapped = graph.swap(onnx.load(base), mix.mapping)
    session = onnxruntime.InferenceSession(swapped.SerializeToString())
    image = np.random.default_rng(1).random((1, 3, 64, 64), dtype=np.float32)
    with torch.no_grad():
        expected = swap.swapped(abd.net, mix)(torch.from_numpy(image))[0].numpy()
    (got,) = session.run(None, {"images": image})
    assert np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_graph_is_static_folded_and_plain(abd: WithNet, tmp_path: Path) -> None:
    model = onnx.load(export.export(abd.net, tmp_path / "a.onnx", imgsz=96, names=abd.names).path)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Sigmoid") == 58
    assert "Swish" not in kinds
    assert "QuickGelu" not in kinds
    assert not {"Constant", "Shape", "Gather", "Identity"}.intersection(kinds)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 3, 96, 96]
    assert [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [1, 151, 189]
    assert {entry.version for entry in model.opset_import} == {export.OPSET}
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert "/model.0/conv/Conv" in names


def test_metadata_names_the_sites_and_the_assignment(abd: WithNet, tmp_path: Path) -> None:
    mix = sites.original(abd.net, 64).replace({"model.0.act": "relu", "model.1.act": "identity"})
    done = export.export(abd.net, tmp_path / "a.onnx", imgsz=64, names=abd.names, assignment=mix)
    metadata = {entry.key: entry.value for entry in onnx.load(done.path).metadata_props}
    assert Assignment.from_json(metadata["actnas.assignment"]) == mix
    named = json.loads(metadata["actnas.sites"])
    assert set(named.values()) == set(mix.sites) - {"model.1.act"}  # identity leaves no node
    assert named["/model.0/act/Relu_output_0"] == "model.0.act"


def test_the_same_export_has_the_same_hash(abd: WithNet, tmp_path: Path) -> None:
    a = export.export(abd.net, tmp_path / "a.onnx", imgsz=64, names=abd.names)
    b = export.export(abd.net, tmp_path / "sub" / "b.onnx", imgsz=64, names=abd.names)
    assert a.sha256 == b.sha256
    assert a.path.read_bytes() == b.path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "sub"]


def test_a_wrong_assignment_writes_nothing(abd: WithNet, tmp_path: Path) -> None:
    with pytest.raises(BadSearch, match="no site 'x'"):
        export.export(
            abd.net,
            tmp_path / "a.onnx",
            imgsz=64,
            names=abd.names,
            assignment=Assignment((("x", "relu"),)),
        )
    assert not list(tmp_path.iterdir())


def test_ultralytics_predicts_with_the_file(abd: WithNet, molecules: Path, tmp_path: Path) -> None:
    from ultralytics.models import YOLO

    path = export.export(abd.net, tmp_path / "a.onnx", imgsz=160, names=abd.names).path
    picture = cv2.imread(str(sorted((molecules / "images" / "val").iterdir())[0]))
    predicted: Any = YOLO(str(path), task="detect").predict(picture, conf=0.05, verbose=False)
    (result,) = predicted
    assert result.names == abd.names
    assert len(result.boxes) > 0
