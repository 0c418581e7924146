"""Which YOLO family a model belongs to, told from its layers."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["name"]

CUSTOM = "custom YOLO"
# name, with {} where the letter of the size goes -> its description inside the ultralytics package;
# the v5 body with today's anchor-free head carries a u, as in ultralytics' own names
_FAMILIES = {
    "YOLOv3": "v3/yolov3",
    "YOLOv3-spp": "v3/yolov3-spp",
    "YOLOv3-tiny": "v3/yolov3-tiny",
    "YOLOv5{}u": "v5/yolov5",
    "YOLOv5{}6u": "v5/yolov5-p6",
    "YOLOv6{}": "v6/yolov6",
    "YOLOv8{}": "v8/yolov8",
    "YOLOv8{}-p2": "v8/yolov8-p2",
    "YOLOv8{}-p6": "v8/yolov8-p6",
    "YOLOv8{}-ghost": "v8/yolov8-ghost",
    "YOLOv8{}-ghost-p2": "v8/yolov8-ghost-p2",
    "YOLOv8{}-ghost-p6": "v8/yolov8-ghost-p6",
    **{f"YOLOv9{size}": f"v9/yolov9{size}" for size in "tsmce"},
    **{f"YOLOv10{size}": f"v10/yolov10{size}" for size in "nsmblx"},
    "YOLO11{}": "11/yolo11",
    "YOLO12{}": "12/yolo12",
    "YOLO26{}": "26/yolo26",
    "YOLO26{}-p2": "26/yolo26-p2",
    "YOLO26{}-p6": "26/yolo26-p6",
}


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
            return family.format(size)
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
        if "{}" not in family or not sizes:
            sizes = {"": _scale(description)}
        known[family] = (_layers(description), sizes)
    return known
