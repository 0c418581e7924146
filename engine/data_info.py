"""What is in a data set, and the hash that names its content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine import labels
from engine.data import DataSet

__all__ = ["DataSetInfo", "describe"]


@dataclass(frozen=True)
class DataSetInfo:
    """What is in a data set.

    ``sha256`` depends on the class names, the images, their boxes and their splits only: not on
    file names. ``images`` counts images per split, ``boxes`` boxes per split and class name.
    ``notes`` are sentences for the user about what was changed or looks wrong.
    """

    sha256: str
    names: dict[int, str]
    images: dict[str, int]
    boxes: dict[str, dict[str, int]]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """A document of plain types."""
        return {**asdict(self), "names": {str(index): name for index, name in self.names.items()}}


def describe(data_set: DataSet, *, notes: Sequence[str] = ()) -> DataSetInfo:
    """The facts of ``data_set``; every image and label file is read once.

    Raises:
        BadDataSet: a label file is wrong.
    """
    found = list(notes)
    names = [data_set.names[index] for index in sorted(data_set.names)]
    digest = hashlib.sha256(json.dumps(names).encode())
    boxes: dict[str, dict[str, int]] = {}
    owners: dict[str, str] = {}
    for split, images in data_set.splits.items():
        counts: Counter[int] = Counter()
        contents = []
        for image in images:
            rows = data_set.boxes(image)
            with image.open("rb") as file:
                picture = hashlib.file_digest(file, "sha256").hexdigest()
            contents.append([picture, hashlib.sha256(labels.write(rows).encode()).hexdigest()])
            counts.update(rows[:, 0].astype(int).tolist())
        digest.update(json.dumps([split, sorted(contents)]).encode())
        boxes[split] = {data_set.names[index]: counts[index] for index in sorted(counts)}
        found += _overlap(split, [picture for picture, _ in contents], owners)
    counted = {split: len(images) for split, images in data_set.splits.items()}
    return DataSetInfo(digest.hexdigest(), data_set.names, counted, boxes, found)


def _overlap(split: str, pictures: list[str], owners: dict[str, str]) -> list[str]:
    """A note if images of ``split`` are in an earlier split too."""
    shared = Counter(owners[picture] for picture in pictures if picture in owners)
    owners.update({picture: split for picture in pictures if picture not in owners})
    return [f"{count} {split} images are {other} images too" for other, count in shared.items()]
