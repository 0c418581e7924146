"""Label statistics of a data set, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.catalog.models import DataSet


@dataclass(frozen=True)
class ClassRow:
    """One class: its name and how many boxes each split holds, in the order of the splits."""

    name: str
    boxes: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.boxes)


def class_table(data_set: DataSet) -> list[ClassRow]:
    """The classes that have a box, most boxes first."""
    splits = [data_set.boxes.get(split, {}) for split in data_set.images]
    names = {name for boxes in splits for name in boxes}
    rows = [ClassRow(name, tuple(boxes.get(name, 0) for boxes in splits)) for name in names]
    return sorted(rows, key=lambda row: (-row.total, row.name))
