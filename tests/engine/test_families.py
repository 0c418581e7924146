"""Every description that the installed ultralytics ships: taken whole, or refused in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from devices.assignment import Assignment
from devices.graph import find_sites
from devices.graph import swap as swap_graph
from devices.protocol import Arm, File, MeasureJob, Settings
from devices.run import run
from engine import export, loading, sites, swap
from engine.allowed import HEADS
from engine.errors import BadModel
from engine.estimators import Inputs
from engine.estimators.nwot import Nwot
from engine.loading import Model
from tests.engine.conftest import CONFIGS
from tests.engine.models import WithNet

Family = Callable[[str], WithNet]

SIDE = 64
BRIEF = Settings(min_blocks=2, max_blocks=2, rounds=3, warmup=1, warmup_ms=0, max_seconds=20)
# family -> what it is called, its sites in the deployed graph, what they run
FAMILIES = {
    "v3/yolov3-tiny": ("YOLOv3-tiny", 19, "silu"),
    "v5/yolov5n": ("YOLOv5nu", 69, "silu"),  # the paper's base
    "v6/yolov6n": ("YOLOv6n", 53, "relu"),
    "v8/yolov8n": ("YOLOv8n", 57, "silu"),
    "v9/yolov9t": ("YOLOv9t", 179, "silu"),
    "v10/yolov10n": ("YOLOv10n", 69, "silu"),
    "11/yolo11n": ("YOLO11n", 77, "silu"),
    "12/yolo12n": ("YOLO12n", 81, "silu"),
    "26/yolo26n": ("YOLO26n", 87, "silu"),
}


def head(path: Path) -> str:
    return str(yaml.safe_load(path.read_text())["head"][-1][2])


SHIPPED = sorted(CONFIGS.rglob("*.yaml"))
DETECTORS = [path for path in SHIPPED if head(path) in HEADS]
OTHERS = [path for path in SHIPPED if head(path) not in HEADS]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_goes_all_the_way(family: Family, name: str, tmp_path: Path) -> None:
    title, count, activation = FAMILIES[name]
    model = family(name)
    assert model.family == title

    original = sites.original(model.net, SIDE)  # inspect
    assert len(original) == count
    assert original.uniform_activation == activation

    other = "hardswish" if activation == "relu" else "relu"
    mix = original.replace(dict.fromkeys(original.sites[1::3], other))
    assert sites.original(swap.swapped(model.net, mix), SIDE) == mix  # swap

    exported = export.export(  # compared with torch, site by site
        model.net, tmp_path / "mix.onnx", imgsz=SIDE, names=model.names, assignment=mix
    )
    graph = onnx.load(exported.path)
    assert keyed(graph) == mix
    back = swap_graph(graph, original.mapping)
    assert keyed(back) == original
    said = {entry.key: entry.value for entry in graph.metadata_props}
    assert (said["actnas.family"], said["task"]) == (title, "detect")
    if activation == "silu":  # nothing is overlooked: all that is left gates the class scores
        assert [node.op_type for node in back.graph.node].count("Sigmoid") == count + 1

    images = np.random.default_rng(0).integers(0, 256, (4, 3, SIDE, SIDE), dtype=np.uint8)
    scores = Nwot(batch=4).score(model.net, [original, mix], Inputs(images=images))
    assert all(np.isfinite(scores))
    assert scores[0] != scores[1]

    file = File(path=str(exported.path), sha256=exported.sha256)
    job = MeasureJob(
        id=title,
        target="cpu-onnxruntime-fp32",
        arms=[
            Arm(name="original", file=file, assignment=dict(original.mapping)),
            Arm(name="mix", file=file),
        ],
        baseline="original",
        settings=BRIEF,
        memory=False,
    )
    arms = run(job).arms
    assert all(arm.latency_ms > 0 for arm in arms)
    assert arms[0].file_sha256 != arms[1].file_sha256


def keyed(model: onnx.ModelProto) -> Assignment:
    return Assignment(tuple((site.key, site.activation) for site in find_sites(model)))


@pytest.mark.slow
@pytest.mark.parametrize("path", DETECTORS, ids=lambda path: path.stem)
def test_every_shipped_detector_is_exported(path: Path, tmp_path: Path) -> None:
    model = smallest(path, tmp_path)
    assert model.net is not None
    done = export.export(model.net, tmp_path / "a.onnx", imgsz=128, names=model.names)
    assert keyed(onnx.load(done.path)) == sites.original(model.net, 128)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_other_tasks_are_refused_by_name(path: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BadModel, match=f"is no detection model: its head is {head(path)}, for "
    ) as caught:
        smallest(path, tmp_path)
    assert "\n" not in str(caught.value)


def smallest(path: Path, folder: Path) -> Model:
    """The first scale of a description, as ultralytics takes it from a file without a letter."""
    copy = folder / path.name
    shutil.copyfile(path, copy)
    return loading.load(copy, imgsz=128)
