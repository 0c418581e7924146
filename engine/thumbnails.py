"""Small pictures of a data set, for people: a few images of each split with their boxes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.data import SPLITS, DataSet, read_image

SIDE = 240  # pixels, of the longer side
EACH = 4  # of a split
MOST_BOXES = 200  # of one picture


@dataclass(frozen=True)
class Thumbnail:
    """One picture. ``boxes`` are [class, x, y, width, height]; the corner and size in pixels of the
    picture. ``all_boxes`` counts those that were left out, too."""

    file: str
    split: str
    image: str
    width: int
    height: int
    boxes: list[list[float]]
    all_boxes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make(data_set: DataSet, into: Path, *, each: int = EACH) -> list[Thumbnail]:
    """``each`` images of every split, evenly over it, as WebP files in the new folder ``into``."""
    into.mkdir(parents=True)
    made: list[Thumbnail] = []
    for split in SPLITS:
        paths = data_set.splits.get(split, [])
        for index in np.unique(np.linspace(0, len(paths) - 1, min(each, len(paths))).astype(int)):
            made.append(_one(data_set, paths[index], into, split=split, number=len(made)))
    return made


def _one(data_set: DataSet, path: Path, into: Path, *, split: str, number: int) -> Thumbnail:
    small = Image.fromarray(read_image(path))
    small.thumbnail((SIDE, SIDE))
    file = f"{number}.webp"
    small.save(into / file, quality=80)  # made from the pixels alone: no metadata comes along
    boxes = data_set.boxes(path)
    scale = np.array([small.width, small.height, small.width, small.height], dtype=np.float64)
    drawn = []
    for label, centre_x, centre_y, width, height in boxes[:MOST_BOXES].tolist():
        corner = np.array([centre_x - width / 2, centre_y - height / 2, width, height]) * scale
        drawn.append([int(label), *(round(float(x), 1) for x in corner)])
    return Thumbnail(
        file=file,
        split=split,
        image=path.name,
        width=small.width,
        height=small.height,
        boxes=drawn,
        all_boxes=len(boxes),
    )
