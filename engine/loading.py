"""Models from files of strangers: .pt, .yaml and .onnx, without running what is in them."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from torch import nn
from ultralytics.nn.modules import Conv, Detect
from ultralytics.nn.modules.head import v10Detect
from ultralytics.nn.tasks import DetectionModel, torch_safe_load

from devices.errors import BadRequest
from engine import activations, families, yaml_check
from engine.allowed import HEADS
from engine.assignments import YAML_KEY
from engine.errors import BadModel, one_line
from engine.pickle_check import check_checkpoint
from engine.sites import deploy

__all__ = ["Model", "load"]

DEFAULT_IMGSZ = 640
MAX_IMGSZ = 2048
MAX_ONNX = 512 * 2**20
MAX_CLASSES = 2000
_SEED = 0  # of the weights that a YAML does not hold: everybody who loads it gets the same


@dataclass
class Model:
    """A loaded model.

    ``net`` (kind "pt" or "yaml") is float32, in eval mode, on the CPU, with gradients on; ``onnx``
    is set for kind "onnx". ``names`` maps class index to class name. ``imgsz`` is the side of the
    square images that the model is meant for. ``weights`` says whether it was ever trained.
    """

    kind: Literal["pt", "yaml", "onnx"]
    path: Path
    sha256: str
    net: DetectionModel | None
    onnx: onnx.ModelProto | None
    yaml: dict[str, Any] | None
    names: dict[int, str]
    family: str
    imgsz: int
    weights: bool


def load(path: Path, *, imgsz: int | None = None) -> Model:
    """The model in ``path``; ``imgsz`` overrides the image size that the file states.

    No code from the file is run: a checkpoint is inspected and then restored from an allow-list, a
    YAML is checked against an allow-list of layers, an ONNX graph may not point at other files.
    The weights of a YAML are random, and the same in every process.

    Raises:
        BadModel: the file is missing, damaged, hostile, too large, of another task or unusable at
            ``imgsz``; one line says what and what would be accepted.
    """
    path = Path(path)
    if not path.is_file():
        raise BadModel(f"no model file {path}")
    loaders = {".pt": _load_pt, ".yaml": _load_yaml, ".yml": _load_yaml, ".onnx": _load_onnx}
    loader = loaders.get(path.suffix.lower())
    if loader is None:
        raise BadModel(f"{path.name} is no model file; accepted: .pt, .yaml, .onnx")
    model = loader(path)
    if imgsz is not None and imgsz != model.imgsz:
        if model.onnx is not None:
            raise BadModel(f"{path.name} takes {model.imgsz} px images only, not {imgsz}")
        model.imgsz = imgsz
    if model.net is not None:
        _check_runs(model.net, path.name, model.imgsz)
    return model


def _load_pt(path: Path) -> Model:
    check_checkpoint(path)
    checkpoint = _restore(path)
    net: Any = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(net, DetectionModel):
        raise BadModel(
            f"{path.name} holds no detection model but {type(net).__name__}; accepted: checkpoints "
            "that ultralytics wrote when it trained a detector"
        )
    arguments = checkpoint.get("train_args")
    arguments = arguments if isinstance(arguments, dict) else {}
    try:
        net = _open(net.float().cpu().eval())
        _check_detector(net, path.name)
        _settle(net, arguments)
        finite = all(torch.isfinite(tensor).all() for tensor in net.state_dict().values())
    except BadModel:
        raise
    except Exception as error:  # restored attribute by attribute, as the file wanted it
        raise BadModel(f"{path.name} is put together wrongly: {one_line(error)}") from error
    if not finite:
        raise BadModel(f"{path.name} holds weights that are NaN or infinite")
    described = net.yaml if isinstance(getattr(net, "yaml", None), dict) else None
    if described is not None:
        described.pop(YAML_KEY, None)  # the modules themselves say what they run
    stated = arguments.get("imgsz")
    return Model(
        kind="pt",
        path=path,
        sha256=_sha256(path),
        net=net,
        onnx=None,
        yaml=described,
        names=_names(getattr(net, "names", None), path.name, net.model[-1].nc),
        family=families.name(described),
        imgsz=stated if isinstance(stated, int) and 32 <= stated <= MAX_IMGSZ else DEFAULT_IMGSZ,
        weights=True,
    )


def _restore(path: Path) -> dict[str, Any]:
    """The checkpoint's dictionary, by ultralytics' loading with an allow-list."""
    with tempfile.TemporaryDirectory() as folder:
        # ultralytics reads meaning into file names (and looks for missing ones on the network)
        link = Path(folder) / "model.pt"
        link.symlink_to(path.resolve())
        try:
            checkpoint, _ = torch_safe_load(str(link), safe_only=True)
        except Exception as error:  # torch and ultralytics raise many kinds; the file caused it
            reason = one_line(error).replace(str(link), path.name)
            raise BadModel(f"{path.name} cannot be restored: {reason}") from error
    if not isinstance(checkpoint, dict):
        raise BadModel(f"{path.name} holds {type(checkpoint).__name__}; a checkpoint is a dict")
    return checkpoint


def _load_yaml(path: Path) -> Model:
    checked = yaml_check.read_model(path)
    default = Conv.default_act
    if type(default) is not nn.SiLU:
        raise BadModel(f"ultralytics' default activation was changed to {default} in this process")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        net = _open(DetectionModel(checked.for_ultralytics(), ch=3, verbose=False))
    # The file's own activation is put in afterwards: ultralytics would keep it for the process.
    for parent in list(net.modules()):
        for name, child in list(parent._modules.items()):
            if child is default:
                setattr(parent, name, activations.module(checked.activation))
    if checked.activation != "silu":
        net.yaml["activation"] = f"torch.{activations.module(checked.activation)}".replace(
            "torch.", "torch.nn.", 1
        )
    names = checked.names or {i: str(i) for i in range(checked.nc)}
    net.names = dict(names)
    _check_detector(net, path.name)
    _settle(net, {})
    return Model(
        kind="yaml",
        path=path,
        sha256=_sha256(path),
        net=net.float().eval(),
        onnx=None,
        yaml=net.yaml,
        names=names,
        family=families.name(net.yaml),
        imgsz=DEFAULT_IMGSZ,
        weights=False,
    )


def _load_onnx(path: Path) -> Model:
    from devices import graph

    if path.stat().st_size > MAX_ONNX:
        raise BadModel(f"{path.name} is larger than {MAX_ONNX // 2**20} MiB")
    try:
        model = graph.check_untrusted(path)
    except BadRequest as error:
        raise BadModel(str(error)) from error
    except Exception as error:  # protobuf raises its own kinds on damaged files
        raise BadModel(f"{path.name} is no ONNX model: it is damaged or cut short") from error
    from engine import onnx_model

    facts = onnx_model.read(model, path.name)
    return Model(
        kind="onnx",
        path=path,
        sha256=_sha256(path),
        net=None,
        onnx=model,
        yaml=None,
        names=facts.names,
        family=facts.family,
        imgsz=facts.imgsz,
        weights=True,
    )


def _open(net: DetectionModel) -> Any:
    """``net`` for the type checker, which takes every attribute of a torch module for a tensor."""
    return net


def _check_detector(net: Any, name: str) -> None:
    head = net.model[-1]
    if type(head) not in (Detect, v10Detect):
        raise BadModel(
            f"{name} is no detection model: its head is {type(head).__name__}; "
            f"accepted heads: {', '.join(HEADS)}"
        )
    channels = next(net.parameters()).shape[1]
    if channels != 3:
        raise BadModel(
            f"{name} takes {next(net.parameters()).shape[1]} channels; accepted: 3 (RGB)"
        )


def _settle(net: Any, arguments: dict[str, Any]) -> None:
    """What ultralytics sets after loading, without its global settings."""
    net.task = "detect"
    net.args = {key: arguments.get(key, value) for key, value in _LOSS_GAINS.items()}
    net.criterion = None
    head = net.model[-1]
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = True  # what such a family is for; the other head only helps training
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    dfl = getattr(head, "dfl", None)
    if dfl is not None:  # its weights are the constants 0..15, never trained
        for parameter in dfl.parameters():
            parameter.requires_grad_(False)
    for m in net.modules():
        if isinstance(m, nn.Upsample) and not hasattr(m, "recompute_scale_factor"):
            m.recompute_scale_factor = None
        if hasattr(m, "inplace"):
            m.inplace = not activations.is_activation(m)


_LOSS_GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}


def _check_runs(net: Any, name: str, imgsz: int) -> None:
    stride = int(max(net.stride))
    if not (32 <= imgsz <= MAX_IMGSZ) or imgsz % stride:
        raise BadModel(
            f"image size {imgsz} does not fit {name}: use a multiple of {stride} up to {MAX_IMGSZ}"
        )
    side = 2 * stride
    try:
        with torch.no_grad():
            deploy(net).net(torch.zeros(1, 3, side, side))
    except Exception as error:  # a model that was put together wrongly fails in its own way
        raise BadModel(f"{name} does not run: {one_line(error)}") from error


def _names(names: object, file: str, count: int) -> dict[int, str]:
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        names = {i: str(i) for i in range(count)}
    if sorted(names) != list(range(count)) or count > MAX_CLASSES:
        raise BadModel(
            f"{file} names {len(names)} classes but predicts {count}; at most {MAX_CLASSES}, "
            "numbered from 0"
        )
    return {int(index): str(names[index])[:200] for index in sorted(names)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
