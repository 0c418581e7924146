from __future__ import annotations

import copy
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import onnx
import pytest
import torch
from torch import nn
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import (
    ClassificationModel,
    DetectionModel,
    OBBModel,
    PoseModel,
    SegmentationModel,
)

from engine import export, loading, sites
from engine.errors import BadModel
from tests.engine.models import WithNet
from tests.engine.test_families import FAMILIES

Write = Callable[..., Path]


def load(path: Path, *, imgsz: int | None = None) -> WithNet:
    return cast(WithNet, loading.load(path, imgsz=imgsz))


class Runs:
    """Pickles into a call of ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def checkpoint(net: nn.Module, path: Path, **more: Any) -> Path:
    """Write ``net`` as ultralytics writes what it trained."""
    content = {"model": copy.deepcopy(net).half(), "ema": None, "train_args": {"imgsz": 96}}
    torch.save({**content, **more}, path)
    return path


def test_real_checkpoint(abd: WithNet) -> None:
    assert (abd.kind, abd.family, abd.imgsz, abd.weights) == ("pt", "YOLOv8n", 640, True)
    assert abd.sha256.startswith("c3335b0cc6c504c4")
    assert len(abd.names) == 147
    assert abd.names[1] == "H"
    assert abd.net is not None
    assert not abd.net.training
    parameters = dict(abd.net.named_parameters())
    assert {p.dtype for p in parameters.values()} == {torch.float32}
    assert [n for n, p in parameters.items() if not p.requires_grad] == ["model.22.dfl.conv.weight"]


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpoints_of_every_family_are_restored(
    family: Callable[[str], WithNet], name: str, tmp_path: Path
) -> None:
    model = family(name)
    loaded = load(checkpoint(model.net, tmp_path / "it's mine.pt"))
    assert loaded.family == model.family != "custom YOLO"
    assert loaded.imgsz == 96
    assert sites.original(loaded.net, 64) == sites.original(model.net, 64)


def test_the_moving_average_is_preferred(family: Callable[[str], WithNet], tmp_path: Path) -> None:
    net = family("v8/yolov8n").net
    average = copy.deepcopy(net)
    nn.init.constant_(average.model[0].conv.weight, 0.25)
    loaded = load(checkpoint(net, tmp_path / "a.pt", ema=average.half()))
    assert loaded.net is not None
    assert float(loaded.net.model[0].conv.weight.mean()) == 0.25


@pytest.mark.parametrize("bytes_kept", [0, 100, 4000, 1_000_000])
def test_truncated_checkpoint(abd_checkpoint: Path, tmp_path: Path, bytes_kept: int) -> None:
    cut = tmp_path / "cut.pt"
    cut.write_bytes(abd_checkpoint.read_bytes()[:bytes_kept])
    with pytest.raises(BadModel, match=r"cut\.pt .*(cut short|damaged)"):
        load(cut)


@pytest.mark.parametrize("where", ["model", "ema", "optimizer", "anything"])
def test_a_pickle_that_would_run_code_is_refused_by_name(
    family: Callable[[str], WithNet], tmp_path: Path, where: str
) -> None:
    trace = tmp_path / "trace"
    bait = Runs(os.system, f"touch {trace}")
    path = checkpoint(family("v8/yolov8n").net, tmp_path / "bait.pt", **{where: bait})
    with pytest.raises(BadModel, match=r"bait\.pt refers to posix\.system.*nothing in it was run"):
        load(path)
    assert not trace.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bait.pt"]


@pytest.mark.parametrize(
    ("bait", "message"),
    [
        (Runs(eval, "1"), r"refers to \w+\.eval"),
        (Runs(getattr, nn.SiLU(), "register_forward_hook"), "asks for attribute"),
        (Runs(DetectionModel, "/etc/passwd"), "DetectionModel with arguments"),
        (Runs(nn.Conv2d, 1, 1, 1), "Conv2d with arguments"),
        (Runs(Path("/").joinpath, "x"), "asks for attribute"),
    ],
    ids=["eval", "getattr", "constructor", "layer", "method"],
)
def test_other_calls_are_refused(tmp_path: Path, bait: Runs, message: str) -> None:
    path = tmp_path / "bait.pt"
    torch.save({"model": bait}, path)
    with pytest.raises(BadModel, match=message):
        load(path)


@pytest.mark.parametrize(
    ("kind", "file", "task"),
    [
        (SegmentationModel, "yolov8n-seg.yaml", "segment"),
        (PoseModel, "yolov8n-pose.yaml", "pose"),
        (OBBModel, "yolov8n-obb.yaml", "obb"),
        (ClassificationModel, "yolov8n-cls.yaml", "classify"),
    ],
)
def test_other_tasks_are_refused_by_name(
    tmp_path: Path, kind: Callable[..., nn.Module], file: str, task: str
) -> None:
    path = checkpoint(kind(file, ch=3, nc=2, verbose=False), tmp_path / "other.pt")
    with pytest.raises(BadModel, match=rf"other\.pt is no detection model: .*, for task {task};"):
        load(path)


def test_weights_that_are_not_numbers(family: Callable[[str], WithNet], tmp_path: Path) -> None:
    net = copy.deepcopy(family("v8/yolov8n").net)
    net.model[0].conv.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(BadModel, match="NaN or infinite"):
        load(checkpoint(net, tmp_path / "nan.pt"))


def test_compressed_records_are_refused(abd_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("a/data/0", bytes(10**6))
    with pytest.raises(BadModel, match="compressed records"):
        load(path)


def test_a_state_dict_alone_is_no_model(abd: WithNet, tmp_path: Path) -> None:
    torch.save(abd.net.state_dict(), tmp_path / "state.pt")
    with pytest.raises(BadModel, match="holds no detection model"):
        load(tmp_path / "state.pt")


@pytest.mark.parametrize("name", ["model.txt", "model.pkl", "model"])
def test_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(BadModel, match=r"no model file; accepted: \.pt, \.yaml, \.onnx"):
        load(tmp_path / name)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no model file"):
        load(tmp_path / "gone.pt")


@pytest.mark.parametrize("imgsz", [50, 0, -64, 4096])
def test_image_size_must_fit(abd_checkpoint: Path, imgsz: int) -> None:
    with pytest.raises(BadModel, match=f"image size {imgsz} does not fit"):
        load(abd_checkpoint, imgsz=imgsz)


def test_yaml_activation_goes_to_every_site_and_nowhere_else(write_yaml: Write) -> None:
    default = Conv.default_act
    model = load(write_yaml(("nn.SiLU()", "torch.nn.LeakyReLU(0.1)")), imgsz=64)
    assert sites.original(model.net, 64).uniform_activation == "leaky_relu"
    assert Conv.default_act is default
    assert (model.kind, model.weights, model.family) == ("yaml", False, "custom YOLO")
    assert model.names == {0: "0", 1: "1", 2: "2"}
    again = load(write_yaml(("activation: nn.SiLU()\n", "")), imgsz=64)
    assert sites.original(again.net, 64).uniform_activation == "silu"


def test_yaml_weights_are_the_same_for_everybody(write_yaml: Write) -> None:
    path = write_yaml()
    before = torch.random.get_rng_state()
    first, second = (load(path, imgsz=64).net.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's dice are thrown


def test_yaml_names_become_class_names(write_yaml: Write) -> None:
    path = write_yaml(("nc: 3", "nc: 3\nnames: [cat, dog, 7]"))
    assert load(path, imgsz=64).names == {0: "cat", 1: "dog", 2: "7"}


def test_yaml_scale_comes_from_the_file_name(family: Callable[[str], WithNet]) -> None:
    small, large = family("v8/yolov8n"), family("v8/yolov8s")
    assert (small.family, large.family) == ("YOLOv8n", "YOLOv8s")
    assert large.net.model[0].conv.out_channels == 2 * small.net.model[0].conv.out_channels


TRACE = "TRACE"


@pytest.mark.parametrize(
    "bait",
    [
        "__import__('os').system('touch TRACE')",
        "nn.SiLU(__import__('os').system('touch TRACE'))",
        "(lambda: open('TRACE', 'w'))()",
        "[open('TRACE', 'w'), nn.SiLU()][1]",
        "nn.SiLU().__class__.__base__",
        "os.system('touch TRACE')",
        "nn.Sequential()",
        "nn.modules.os.system('touch TRACE')",
        "nn.LeakyReLU(0.01)",
        "nn.LeakyReLU(**{'negative_slope': 0.1})",
        "swish",
        "nn.Swish()",
        "nn.SiLU(" * 30,
    ],
)
def test_yaml_activation_bait_is_never_evaluated(
    write_yaml: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bait: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_yaml(("activation: nn.SiLU()", f'activation: "{bait}"'))
    with pytest.raises(BadModel, match=r"small\.yaml: activation"):
        load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Conv, [64, 3, 2]", "os.system, ['touch TRACE']", "layer 0: 'os.system' is not accepted"),
        ("Conv, [64, 3, 2]", "torchvision.ops.nms, []", "layer 0: 'torchvision.ops.nms'"),
        ("Conv, [64, 3, 2]", "TorchVision, [32, resnet18]", "layer 0: 'TorchVision'"),
        ("Conv, [64, 3, 2]", "Conv, [d, 3, 2]", "layer 0: argument 'd' is not accepted"),
        ("Conv, [64, 3, 2]", "Conv, ['__import__(1)', 3]", "layer 0: argument '__import__"),
        ("Conv, [64, 3, 2]", "Conv, [9000, 3, 2]", "argument 9000 is larger than 8192"),
        ("Conv, [64, 3, 2]", "Conv, [.nan, 3, 2]", "argument nan is larger than 8192"),
        ("Conv, [64, 3, 2]", "Conv, [{a: 1}]", "argument {'a': 1} is not accepted"),
        ("[-1, 1, Conv, [64, 3, 2]]", "[-1, 999, Conv, [64, 3, 2]]", "repeats is 999"),
        ("[-1, 1, Conv, [64, 3, 2]]", "[7, 1, Conv, [64, 3, 2]]", "layer 0: from is 7"),
        ("[-1, 1, Conv, [64, 3, 2]]", "Conv", "layer 0 is Conv; expected"),
        ("Detect, [nc]", "Conv, [64]", "the last layer must be one of Detect"),
        ("Detect, [nc]", "Detect, [nc, anchors]", "the head must be"),
        ("nc: 3", "nc: 100000", "nc is 100000"),
        ("nc: 3", "nc: 3\nanchors: 3", "key 'anchors' is not accepted"),
        ("nc: 3", "nc: 3\nscale: x", "scale 'x' is not one of n"),
        ("[0.5, 0.25, 1024]", "[0.5, 64, 1024]", "width of scale n is 64"),
        ("nc: 3", "nc: 3\nnames: [a]", "names must name the 3 classes"),
        ("[[-1, 2], 1, Concat, [1]]", "[[-1, 0], 1, Concat, [1]]", "layers do not fit together"),
        ("nc: 3", "nc: &n 3\nreg_max: *n", r"uses YAML aliases \(\*n\)"),
        ("nc: 3", "nc: !!python/object/apply:os.system ['touch TRACE']", "no plain YAML"),
        ("nc: 3", "nc: " + "[" * 40 + "]" * 40, "nested more than 12 levels"),
        ("nc: 3", "nc: 3\n# " + "x" * 300_000, "a YAML file has at most"),
        ("nc: 3", "nc: [3", "no plain YAML"),
    ],
)
def test_yaml_outside_the_allow_list_is_named(
    write_yaml: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModel, match=message) as caught:
        load(write_yaml((old, new)), imgsz=64)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_yaml_of_a_giant_is_refused_before_it_takes_memory(write_yaml: Write) -> None:
    path = write_yaml(("[0.5, 0.25, 1024]", "[1.0, 4.0, 8192]"), ("[128, True]", "[8192, True]"))
    with pytest.raises(BadModel, match="million weights; at most 200 million"):
        load(path)


def test_yaml_that_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(BadModel, match=r"list\.yaml holds list; expected a mapping"):
        load(tmp_path / "list.yaml")


@pytest.fixture(scope="module")
def exported(abd: WithNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "abd.onnx"
    return export.export(abd.net, path, imgsz=64, names=abd.names).path


def test_onnx_of_our_own(abd: WithNet, exported: Path) -> None:
    model = load(exported)
    assert (model.kind, model.family, model.imgsz, model.weights) == ("onnx", "YOLOv8n", 64, True)
    assert model.names == abd.names
    assert model.net is None
    assert model.onnx is not None
    with pytest.raises(BadModel, match="takes 64 px images only, not 96"):
        load(exported, imgsz=96)


def test_onnx_with_external_data(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    (tmp_path / "external.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="external"):
        load(tmp_path / "external.onnx")


@pytest.mark.parametrize("kept", [0, 1000, 100_000])
def test_truncated_onnx(exported: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "cut.onnx").write_bytes(exported.read_bytes()[:kept])
    with pytest.raises(BadModel):
        load(tmp_path / "cut.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[2].Clear(), "fixed"),
        (lambda m: m.graph.output.add(name="/model.0/act/Mul_output_0"), "2 outputs"),
        (lambda m: _set(m, "task", "segment"), "its task is 'segment'"),
        (lambda m: _set(m, "head", "RTDETRDecoder"), "head is RTDETRDecoder, for the transformer"),
        (lambda m: _set(m, "names", "__import__('os').system('touch TRACE')"), "metadata names"),
        (lambda m: _set(m, "names", "{0: 'a', 1: 'b'}"), "names 2 classes but puts out 147"),
    ],
    ids=["dynamic", "outputs", "task", "head", "bait", "names"],
)
def test_onnx_that_is_no_detector(
    exported: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model = onnx.load(exported)
    change(model)
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match=message):
        load(tmp_path / "odd.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["odd.onnx"]


def _set(model: onnx.ModelProto, key: str, value: str) -> None:
    next(entry for entry in model.metadata_props if entry.key == key).value = value


def test_nothing_is_left_beside_the_file(abd_checkpoint: Path, tmp_path: Path) -> None:
    copied = tmp_path / "weights.PT"
    shutil.copyfile(abd_checkpoint, copied)
    load(copied)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.PT"]
