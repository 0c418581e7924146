"""Which YOLO family a model belongs to, told from its layers."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["name"]

CUSTOM = "custom YOLO"
# family -> its description inside the ultralytics package
_FAMILIES = {
    "YOLOv3": "v3/yolov3",
    "YOLOv5": "v5/yolov5",
    "YOLOv6": "v6/yolov6",
    "YOLOv8": "v8/yolov8",
    "YOLOv9t": "v9/yolov9t",
    "YOLOv9s": "v9/yolov9s",
    "YOLOv9m": "v9/yolov9m",
    "YOLOv9c": "v9/yolov9c",
    "YOLOv9e": "v9/yolov9e",
    "YOLOv10n": "v10/yolov10n",
    "YOLOv10s": "v10/yolov10s",
    "YOLOv10m": "v10/yolov10m",
    "YOLOv10b": "v10/yolov10b",
    "YOLOv10l": "v10/yolov10l",
    "YOLOv10x": "v10/yolov10x",
    "YOLO11": "11/yolo11",
    "YOLO12": "12/yolo12",
    "YOLO26": "26/yolo26",
}
# The v5 body with today's anchor-free head carries this suffix in ultralytics' own names.
_SUFFIX = {"YOLOv5": "u"}


def name(description: dict[str, Any] | None) -> str:
    """A family and size such as "YOLOv8n", or "custom YOLO" if the layers are nobody's.

    ``description`` is the model dictionary of a checkpoint or YAML. File names are not asked: they
    are what a user called the file.
    """
    if not description:
        return CUSTOM
    layers = _layers(description)
    wanted = _scale(description)
    for family, (known_layers, scales) in _known().items():
        if known_layers != layers:
            continue
        size = _size(wanted, scales)
        if size is not None:
            return f"{family}{size}{_SUFFIX.get(family, '')}"
    return CUSTOM


def _size(wanted: tuple[float, float], scales: dict[str, tuple[float, float]]) -> str | None:
    return next((letter for letter, scale in scales.items() if scale == wanted), None)


def _scale(description: dict[str, Any]) -> tuple[float, float]:
    """Depth and width multiple that the model was built with."""
    scales, scale = description.get("scales"), description.get("scale")
    if isinstance(scales, dict) and scales:
        depth, width, *_ = scales.get(scale) or next(iter(scales.values()))
        return float(depth), float(width)
    return float(description.get("depth_multiple", 1.0)), float(
        description.get("width_multiple", 1.0)
    )


def _layers(description: dict[str, Any]) -> str:
    """Layers in a form that compares, whatever the number of classes."""
    rows = [
        [source, number, module, ["nc" if argument == nc else argument for argument in arguments]]
        for nc in [description.get("nc")]
        for source, number, module, arguments in [*description["backbone"], *description["head"]]
    ]
    rows[-1][3] = []  # nc and, in old files, anchors
    return json.dumps(rows).replace('"None"', "null").replace('"nearest"', '"nearest"')


@cache
def _known() -> dict[str, tuple[str, dict[str, tuple[float, float]]]]:
    folder = files("ultralytics") / "cfg" / "models"
    known = {}
    for family, file in _FAMILIES.items():
        path = folder / f"{file}.yaml"
        if not path.is_file():  # a later ultralytics may drop an old family
            continue
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
        scales = description.get("scales") or {}
        sizes = {letter: (float(row[0]), float(row[1])) for letter, row in scales.items()}
        if family[-1] in "tsmcebnlx" or not sizes:
            sizes = {"": _scale(description)}
        known[family] = (_layers(description), sizes)
    return known
