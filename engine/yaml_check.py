"""A model YAML, checked against an allow-list before ultralytics sees it.

ultralytics turns strings of a model YAML into Python: it evaluates the activation, looks layers up
by name in its own module, in torch and in torchvision, and looks string arguments up among its own
local variables. So nothing passes here but known layers, plain numbers and a catalog activation.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.nn.tasks import parse_model

from engine import activations, yaml_limits
from engine.allowed import HEADS, OTHER_TASKS, YAML_LAYERS
from engine.errors import BadModel, one_line

__all__ = ["ModelYaml", "parse_activation", "read_model"]

MAX_LAYERS = 200
MAX_REPEATS = 50
MAX_NUMBER = 8192
MAX_CLASSES = 2000
MAX_PARAMETERS = 200_000_000
MAX_ELEMENTS = 2**27  # of one layer's output on a 256 x 256 image
_SIDE = 256  # ultralytics runs a new model once at this size to learn its strides

WORDS = frozenset({"nc", "nearest", "bilinear", "None", "True", "False"})
_NUMBERS = ("depth_multiple", "width_multiple")
_KEYS = frozenset(
    {"nc", "scales", "scale", "activation", "backbone", "head", "end2end", "reg_max", "names"}
    | {"ch", "channels", "inplace", "yaml_file", *_NUMBERS}
)


@dataclass(frozen=True)
class ModelYaml:
    """A checked description; ``activation`` is a catalog name, ``names`` may be empty."""

    description: dict[str, Any]
    activation: str
    nc: int
    names: dict[int, str]

    def for_ultralytics(self) -> dict[str, Any]:
        """A fresh copy without the activation, which is put in after ultralytics is done."""
        return copy.deepcopy({k: v for k, v in self.description.items() if k != "activation"})


def read_model(path: Path) -> ModelYaml:
    """The model that the YAML file ``path`` describes.

    Its scale letter comes from the key ``scale``, else from the file's name (yolov8s.yaml), else
    it is the first of ``scales``, as with ultralytics.

    Raises:
        BadModel: a key, layer, argument or activation is not on the allow-list, or the model is
            larger than the caps; the message names it.
    """
    raw = yaml_limits.read(path, error=BadModel)
    where = path.name
    _check_task(raw, where)
    unknown = sorted(str(key) for key in raw if key not in _KEYS)
    if unknown:
        raise BadModel(
            f"{where}: key {unknown[0]!r} is not accepted; known: {', '.join(sorted(_KEYS))}"
        )
    description = {key: value for key, value in raw.items() if key not in {"names", "yaml_file"}}
    nc = _whole(raw.get("nc"), where, "nc", low=1, high=MAX_CLASSES)
    if raw.get("ch", 3) != 3 or raw.get("channels", 3) != 3:
        raise BadModel(f"{where}: only models for 3 channels (RGB) are accepted")
    activation = "silu"
    if raw.get("activation") is not None:
        activation = parse_activation(raw["activation"], where)
    _check_numbers(description, where)
    description["scale"] = _scale(raw, path)
    description["yaml_file"] = path.name
    _check_rows(description, where)
    checked = ModelYaml(description, activation, nc, _names(raw.get("names"), nc, where))
    _check_size(checked, where)
    return checked


def parse_activation(text: object, where: str) -> str:
    """The catalog name of an activation string such as "nn.SiLU()" or "torch.nn.LeakyReLU(0.1)".

    The string is parsed, never evaluated.

    Raises:
        BadModel: it is something else; the message says what is accepted.
    """
    accepted = (
        "accepted: nn.<Class>(numbers) of the catalog, such as nn.SiLU() or nn.LeakyReLU(0.1)"
    )
    refusal = BadModel(f"{where}: activation {str(text)[:80]!r} is not accepted; {accepted}")
    if not isinstance(text, str) or len(text) > 80:
        raise refusal
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refusal from None
    if not isinstance(call, ast.Call):
        raise refusal
    dotted = _dotted(call.func)
    prefix, _, name = dotted.rpartition(".")
    if prefix not in {"nn", "torch.nn"} or name not in _ACTIVATIONS:
        raise refusal
    constants = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not all(_is_plain(constant) for constant in constants):
        raise refusal
    arguments = [ast.literal_eval(argument) for argument in call.args]
    keywords = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords if k.arg}
    if len(keywords) != len(call.keywords):
        raise refusal
    try:
        found = activations.name_of(_ACTIVATIONS[name](*arguments, **keywords))
    except (TypeError, ValueError, AssertionError):
        raise refusal from None
    if found is None:
        raise BadModel(
            f"{where}: activation {text!r} has other constants than the catalog's; "
            "LeakyReLU has slope 0.1, ELU alpha 1"
        )
    return found


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "LeakyReLU": nn.LeakyReLU,
    "SiLU": nn.SiLU,
    "Hardswish": nn.Hardswish,
    "GELU": nn.GELU,
    "Mish": nn.Mish,
    "ELU": nn.ELU,
    "SELU": nn.SELU,
    "Tanh": nn.Tanh,
    "Hardsigmoid": nn.Hardsigmoid,
}


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float, bool, str))


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))


def _check_numbers(description: dict[str, Any], where: str) -> None:
    for key in _NUMBERS:
        if key in description:
            _number(description[key], where, key, high=4)
    if "reg_max" in description:
        _whole(description["reg_max"], where, "reg_max", low=1, high=64)
    for key in ("end2end", "inplace"):
        if key in description and not isinstance(description[key], bool):
            raise BadModel(f"{where}: {key} is {description[key]!r}; expected true or false")
    scales = description.get("scales", {})
    if not isinstance(scales, dict) or len(scales) > 20:
        raise BadModel(f"{where}: scales must be a mapping of letters to [depth, width, channels]")
    for letter, row in scales.items():
        if not (isinstance(letter, str) and len(letter) <= 2):
            raise BadModel(f"{where}: scale {letter!r} is not accepted; use a letter such as n")
        if not (isinstance(row, list) and len(row) == 3):
            raise BadModel(f"{where}: scale {letter} is {row!r}; expected [depth, width, channels]")
        _number(row[0], where, f"depth of scale {letter}", high=4)
        _number(row[1], where, f"width of scale {letter}", high=4)
        _whole(row[2], where, f"channels of scale {letter}", low=1, high=MAX_NUMBER)


def _scale(raw: dict[str, Any], path: Path) -> str:
    from ultralytics.nn.tasks import guess_model_scale

    scales = raw.get("scales") or {}
    wanted = raw.get("scale") or guess_model_scale(path.name)
    if isinstance(wanted, str) and wanted in scales:
        return wanted
    if raw.get("scale"):
        stated = str(raw["scale"])[:40]
        raise BadModel(f"{path.name}: scale {stated!r} is not one of {', '.join(scales)}")
    return next(iter(scales), "")


def _check_task(raw: dict[str, Any], where: str) -> None:
    """Refuse a model of another task by its name, before its own keys and layers are refused."""
    rows = raw.get("head")
    last = rows[-1] if isinstance(rows, list) and rows else None
    head = str(last[2]) if isinstance(last, list) and len(last) > 2 else ""
    if head in OTHER_TASKS:
        raise BadModel(
            f"{where} is no detection model: its head is {head}, for {OTHER_TASKS[head]}; "
            f"accepted heads: {', '.join(HEADS)}"
        )


def _check_rows(description: dict[str, Any], where: str) -> None:
    rows: list[Any] = []
    for part in ("backbone", "head"):
        part_rows = description.get(part)
        if not isinstance(part_rows, list) or not part_rows:
            raise BadModel(f"{where}: {part} must be a list of [from, repeats, layer, arguments]")
        rows.extend(part_rows)
    if len(rows) > MAX_LAYERS:
        raise BadModel(f"{where}: {len(rows)} layers; at most {MAX_LAYERS}")
    for index, row in enumerate(rows):
        _check_row(row, index, last=index == len(rows) - 1, where=where)


def _check_row(row: Any, index: int, *, last: bool, where: str) -> None:
    place = f"{where}: layer {index}"
    if not (isinstance(row, list) and len(row) == 4 and isinstance(row[3], list)):
        raise BadModel(f"{place} is {str(row)[:80]}; expected [from, repeats, layer, arguments]")
    sources, repeats, layer, arguments = row
    for source in sources if isinstance(sources, list) else [sources]:
        _whole(source, place, "from", low=-max(index, 1), high=max(index - 1, -1))
    _whole(repeats, place, "repeats", low=1, high=MAX_REPEATS)
    if not isinstance(layer, str):
        raise BadModel(f"{place}: {str(layer)[:40]} is not accepted; a layer is named by a word")
    if last and layer not in HEADS:
        raise BadModel(
            f"{place} is {str(layer)[:40]!r}; the last layer must be one of {', '.join(HEADS)}"
        )
    if not last and layer not in YAML_LAYERS:
        raise BadModel(
            f"{place}: {str(layer)[:40]!r} is not accepted; known: {', '.join(sorted(YAML_LAYERS))}"
        )
    if last and (not isinstance(sources, list) or arguments != ["nc"] or repeats != 1):
        raise BadModel(f"{place}: the head must be [[from, ...], 1, {layer}, [nc]]")
    for argument in arguments:
        _check_argument(argument, place)


def _check_argument(argument: Any, place: str, *, depth: int = 0) -> None:
    if isinstance(argument, list) and depth == 0 and len(argument) <= 16:
        for item in argument:
            _check_argument(item, place, depth=1)
    elif isinstance(argument, str):
        if argument not in WORDS:
            raise BadModel(
                f"{place}: argument {argument[:60]!r} is not accepted; "
                f"numbers, lists of numbers and {', '.join(sorted(WORDS))} are"
            )
    elif isinstance(argument, (int, float)):
        if not abs(argument) <= MAX_NUMBER:
            raise BadModel(f"{place}: argument {argument} is larger than {MAX_NUMBER}")
    elif argument is not None:
        raise BadModel(f"{place}: argument {str(argument)[:60]} is not accepted")


def _names(names: Any, nc: int, where: str) -> dict[int, str]:
    if names is None:
        return {}
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or sorted(names, key=str) != sorted(range(nc), key=str):
        raise BadModel(f"{where}: names must name the {nc} classes of nc, numbered from 0")
    return {index: str(names[index])[:200] for index in range(nc)}


def _check_size(checked: ModelYaml, where: str) -> None:
    """Count parameters and outputs on torch's meta device, where tensors take no memory."""
    try:
        with torch.device("meta"), torch.no_grad():
            layers, saved = parse_model(checked.for_ultralytics(), ch=3, verbose=False)
            count = sum(parameter.numel() for parameter in layers.parameters())
            if count > MAX_PARAMETERS:
                raise BadModel(f"{where}: {count / 1e6:.0f} million weights; at most 200 million")
            _check_outputs(list(layers), saved, where)
    except BadModel:
        raise
    except Exception as error:  # layers that do not fit together fail in their own ways
        raise BadModel(f"{where}: the layers do not fit together: {one_line(error)}") from error


def _check_outputs(layers: Sequence[Any], saved: list[int], where: str) -> None:
    kept: list[Any] = []
    x: Any = torch.zeros(1, 3, _SIDE, _SIDE)
    for index, layer in enumerate(layers[:-1]):
        source = layer.f
        if source != -1:
            x = (
                kept[source]
                if isinstance(source, int)
                else [x if j == -1 else kept[j] for j in source]
            )
        x = layer(x)
        size = sum(t.numel() for t in (x if isinstance(x, (list, tuple)) else [x]))
        if size > MAX_ELEMENTS:
            raise BadModel(f"{where}: layer {index} puts out {size} numbers for one 256 px image")
        kept.append(x if index in saved else None)


def _number(value: Any, where: str, what: str, *, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= high:
        raise BadModel(
            f"{where}: {what} is {str(value)[:40]}; expected a number above 0, at most {high}"
        )


def _whole(value: Any, where: str, what: str, *, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadModel(
            f"{where}: {what} is {str(value)[:40]}; expected a whole number {low} to {high}"
        )
    return value
