"""Thumbnails of a data set with their boxes, as the page draws them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from webapp.catalog.models import DataSet

COLOURS = 6  # classes take turns; site.css names them


@dataclass(frozen=True)
class Box:
    """A box in pixels of its picture, with the class it shows."""

    name: str
    colour: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """One thumbnail. ``caption`` says what is in it, for those who do not see it, too."""

    number: int
    split: str
    width: int
    height: int
    boxes: list[Box]
    caption: str


def pictures(data_set: DataSet) -> list[Picture]:
    """Those of all splits, in the order in which they were made."""
    return [_picture(data_set, number) for number in range(len(data_set.thumbnails))]


def _picture(data_set: DataSet, number: int) -> Picture:
    facts = data_set.thumbnails[number]
    boxes = [
        Box(data_set.names[label], label % COLOURS, x, y, width, height)
        for label, x, y, width, height in facts["boxes"]
    ]
    counts = Counter(box.name for box in boxes).most_common()
    said = ", ".join(f"{name} {count}" for name, count in counts[:4])
    more = facts["all_boxes"] - sum(count for _, count in counts[:4])
    caption = f"{said} and {more} more" if more and said else said or "no box"
    return Picture(number, facts["split"], facts["width"], facts["height"], boxes, caption)
