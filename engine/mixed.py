"""A mixed model as ultralytics knows models: an object that predicts, validates, trains, exports.

from engine import mixed

model = mixed.yolo("detector.pt", "mix.assignment.json", state_dict="mix.pt")
model.predict("street.jpg")
model.train(data="data.yaml", epochs=20)
model.export(format="onnx")
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.models import YOLO
from ultralytics.models.yolo.detect import DetectionTrainer

from devices.assignment import Assignment
from engine import assignments, loading, sites, swap
from engine.errors import BadModel, BadSearch, one_line

__all__ = ["MixedTrainer", "MixedYOLO", "yolo"]

StateDict = Mapping[str, torch.Tensor]


class MixedTrainer(DetectionTrainer):
    """ultralytics' trainer for models whose description holds an assignment.

    ultralytics builds the net that it trains from the description, which says nothing of single
    sites: every one would run the family's standard activation again.
    """

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
        """The net to train, with the mix that its description holds."""
        net = super().get_model(cfg, weights, verbose)
        return swap.apply(net, Assignment.from_json(net.yaml[assignments.YAML_KEY]))


class MixedYOLO(YOLO):
    """ultralytics' YOLO, whose model keeps its mix when it is trained; made by :func:`yolo`."""

    # ultralytics' train() is not torch's either
    def train(self, trainer: Any = None, **settings: Any) -> Any:  # type: ignore[override]
        """As ultralytics' own; the checkpoints that it writes run the mix, too.

        A plain ``YOLO`` predicts, validates and exports with them. To train one of them further,
        open it with :func:`yolo`: a plain ``YOLO`` trains the standard activation.
        """
        return super().train(trainer or MixedTrainer, **settings)

    def tune(self, *arguments: Any, **settings: Any) -> Any:
        """Not to be had: ultralytics tunes in processes of its own.

        Raises:
            BadSearch: always; there every site would run the standard activation.
        """
        raise BadSearch("a mixed model cannot be tuned; train it with settings of your choice")


def yolo(
    model: str | Path,
    assignment: Assignment | str | Path | None = None,
    *,
    state_dict: StateDict | str | Path | None = None,
) -> MixedYOLO:
    """An ultralytics YOLO object of ``model`` with the activations of ``assignment``.

    ``model`` is a .pt or .yaml file, ``assignment`` an assignment or its JSON file: of this model,
    or of any other with the same sites. Without one the file's own activations stay. ``state_dict``
    are the weights to load, such as the file that a search writes beside a mix. Without it the
    weights of ``model`` stay, whose BatchNorm statistics belong to other activations: train first.

    Exports go to the current folder, named after the model. ultralytics runs the one-to-one head of
    YOLOv10 and YOLO26 when asked with ``nms=False``; both heads run the mix.

    Raises:
        BadModel: the file cannot be used, or the weights do not fit it.
        BadSearch: assignment and model have different sites; the first one is named.
        devices.errors.BadRequest: the assignment file holds no assignment.
    """
    path = Path(model)
    wanted = (
        assignments.read(Path(assignment)) if isinstance(assignment, (str, Path)) else assignment
    )
    loaded = loading.load(path)
    if loaded.net is None:
        raise BadModel(
            f"{path.name} is an ONNX file, which cannot be trained; ultralytics' own YOLO predicts "
            "with it, and a .pt or .yaml is needed here"
        )
    net: Any = loaded.net
    original = sites.original(net, 2 * int(max(net.stride)))
    mix = original if wanted is None else assignments.fitted(wanted, original)
    swap.apply(net, mix)
    if state_dict is not None:
        _load_weights(net, state_dict, path.name)
    net.names = dict(loaded.names)
    net.yaml = {**net.yaml, assignments.YAML_KEY: mix.to_json()}
    return _opened(net, imgsz=loaded.imgsz, name=f"{path.stem}-mix.pt")


def _opened(net: nn.Module, *, imgsz: int, name: str) -> MixedYOLO:
    """``net`` through ultralytics' own door, a checkpoint; ``name`` is what it goes by then."""
    with tempfile.TemporaryDirectory(prefix="actnas-") as folder:
        path = Path(folder) / "model.pt"
        torch.save({"model": net, "train_args": {"imgsz": imgsz, "task": "detect"}}, path)
        mixed: Any = MixedYOLO(str(path), task="detect")
    mixed.model.pt_path = mixed.ckpt_path = mixed.model_name = mixed.overrides["model"] = name
    return mixed


def _load_weights(net: nn.Module, weights: StateDict | str | Path, model: str) -> None:
    source = "the state dict"
    if isinstance(weights, (str, Path)):
        source = Path(weights).name
        try:
            weights = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds on damaged files
            raise BadModel(f"{source} is no state dict: {one_line(error)}") from error
    if not isinstance(weights, Mapping):
        raise BadModel(f"{source} holds {type(weights).__name__}; expected a state dict")
    own = net.state_dict()
    for key in [*own, *weights]:
        mine, theirs = own.get(key), weights.get(key)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            raise BadModel(
                f"{source} does not fit {model}: {key} is {_shape(theirs)} there and "
                f"{_shape(mine)} in the model"
            )
    net.load_state_dict(dict(weights))


def _shape(tensor: torch.Tensor | None) -> str:
    return "missing" if tensor is None else str(list(tensor.shape))
