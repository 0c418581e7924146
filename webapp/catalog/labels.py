"""Label statistics of a data set, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.catalog.models import DataSet


@dataclass(frozen=True)
class ClassRow:
    """One class: its name and how many boxes each split holds, in the order of the splits."""

    index: int
    name: str
    boxes: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.boxes)


def class_table(data_set: DataSet) -> list[ClassRow]:
    """The classes that have a box, most boxes first."""
    rows = [
        ClassRow(
            index,
            name,
            tuple(data_set.boxes.get(split, {}).get(str(index), 0) for split in data_set.images),
        )
        for index, name in enumerate(data_set.names)
    ]
    return sorted((row for row in rows if row.total), key=lambda row: (-row.total, row.index))
