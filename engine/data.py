"""Data sets in YOLO layout, opened and read into arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import labels, yaml_limits
from engine.errors import BadDataSet
from engine.labels import Boxes
from engine.text import odd_character

SPLITS = ("train", "val", "test")
FORMATS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
GREY = 114  # ultralytics' padding
MAX_CLASSES = 2000


@dataclass(frozen=True)
class Split:
    """Images of one split in memory.

    ``images`` is uint8 [n, 3, s, s], RGB, letterboxed; ``labels[i]`` is float32 [k, 5]: class, then
    centre and size of the box in 0..1 of the letterboxed square.
    """

    name: str
    images: NDArray[np.uint8]
    labels: list[Boxes]
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.labels)

    def boxes(self) -> dict[int, int]:
        """How many boxes each class has here; classes without a box are left out."""
        classes = [row[:, 0] for row in self.labels if len(row)]
        if not classes:
            return {}
        found, counts = np.unique(np.concatenate(classes), return_counts=True)
        return {int(index): int(count) for index, count in zip(found, counts, strict=True)}


@dataclass(frozen=True)
class DataSet:
    """A data set on disk; ``splits`` holds the image files of each split, sorted by path."""

    root: Path
    names: dict[int, str]
    splits: dict[str, list[Path]]

    def arrays(self, split: str, imgsz: int, limit: int | None = None) -> Split:
        """The images and boxes of ``split`` at ``imgsz`` px; the first ``limit`` only, if given.

        The same files give the same arrays: resizing and padding are ultralytics' own for
        validation, without augmentation.

        Raises:
            BadDataSet: there is no such split, an image cannot be read or a label is wrong.
        """
        paths = self._paths(split)[:limit]
        images = np.full((len(paths), 3, imgsz, imgsz), GREY, dtype=np.uint8)
        boxes = []
        for index, path in enumerate(paths):
            inner = _place(read_image(path), images[index])
            boxes.append(labels.letterboxed(self.boxes(path), inner=inner, side=imgsz))
        return Split(split, images, boxes, list(paths))

    def boxes(self, image: Path) -> Boxes:
        """The boxes of one image as float32 [k, 5]; without a label file it has none.

        Raises:
            BadDataSet: a line of the label file is wrong.
        """
        path = label_path(image)
        if not path.is_file():
            return np.zeros((0, 5), dtype=np.float32)
        return labels.read(path, classes=len(self.names))

    def _paths(self, split: str) -> list[Path]:
        if split not in self.splits:
            raise BadDataSet(
                f"{self.root.name} has no split {split!r}; it has {', '.join(self.splits)}"
            )
        return self.splits[split]


def open_data(path: Path) -> DataSet:
    """The data set that ``path`` (a data.yaml, or the folder that holds it) describes.

    ``train``, ``val`` and ``test`` are folders of images, lists of folders, or text files with one
    image path a line. The labels of images/a.png are in labels/a.txt.

    Raises:
        BadDataSet: no YAML, no names, no train or val split, a folder without images, or a split
            in which no image has labels.
    """
    path = Path(path)
    file = find_yaml(path) if path.is_dir() else path
    if not file.is_file():
        raise BadDataSet(f"no data set {path}; expected a data.yaml or the folder that holds one")
    document = yaml_limits.read(file, error=BadDataSet)
    names = _names(document, file.name)
    root = _root(document, file)
    splits = {}
    for split in SPLITS:
        if document.get(split):
            splits[split] = _images(document[split], root, f"{file.name}: {split}")
            _check_labelled(splits[split], split)
        elif split != "test":
            raise BadDataSet(
                f"{file.name} has no {split!r}; expected train and val folders of images"
            )
    return DataSet(root, names, splits)


def find_yaml(folder: Path) -> Path:
    """The one data.yaml in ``folder``, or the one YAML file there.

    Raises:
        BadDataSet: there is none, or several and none is called data.yaml.
    """
    named = folder / "data.yaml"
    if named.is_file():
        return named
    found = sorted(p for p in folder.iterdir() if p.suffix in {".yaml", ".yml"} and p.is_file())
    if len(found) != 1:
        raise BadDataSet(
            f"{folder.name} holds {len(found)} YAML files and no data.yaml; one is needed"
        )
    return found[0]


def label_path(image: Path) -> Path:
    """Where the labels of ``image`` are: the last folder "images" becomes "labels"."""
    parts = list(image.with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts)


def _names(document: Mapping[str, Any], file: str) -> dict[int, str]:
    names = document.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise BadDataSet(f'{file} has no "names"; expected a list of class names')
    if sorted(names, key=str) != sorted(range(len(names)), key=str) or len(names) > MAX_CLASSES:
        raise BadDataSet(f"{file}: names must be numbered 0, 1, 2 ...; at most {MAX_CLASSES}")
    stated = document.get("nc", len(names))
    if stated != len(names):
        raise BadDataSet(f"{file}: nc is {stated} but {len(names)} classes are named")
    found = {index: str(names[index])[:200] for index in range(len(names))}
    for index, name in found.items():
        if (odd := odd_character(name)) is not None:
            raise BadDataSet(
                f"{file}: class {index} is {name!r}, which holds the character {odd!r}"
            )
    return found


def _root(document: Mapping[str, Any], file: Path) -> Path:
    stated = document.get("path")
    if not stated:
        return file.parent
    if not isinstance(stated, str) or not is_plain_path(stated):
        raise BadDataSet(f"{file.name}: path is {repr(stated)[:80]}; expected a folder")
    root = (file.parent / stated).resolve()
    # a data set that was moved keeps its old absolute path: the folder of the YAML is meant
    return root if root.is_dir() else file.parent


def _images(stated: Any, root: Path, where: str) -> list[Path]:
    found: list[Path] = []
    for item in stated if isinstance(stated, list) else [stated]:
        if not isinstance(item, str) or not is_plain_path(item):
            raise BadDataSet(f"{where} is {repr(item)[:80]}; expected a folder of images")
        place = root / item
        if not place.exists() and item.startswith("../"):
            place = root / item[3:]  # exports of some label tools say ../train/images
        if place.is_dir():
            found += [p for p in place.rglob("*") if p.suffix.lower() in FORMATS and p.is_file()]
        elif place.is_file() and place.suffix == ".txt":
            found += _listed(place)
        else:
            raise BadDataSet(f"{where}: no folder {item}")
    if not found:
        raise BadDataSet(f"{where}: no images in {stated}; accepted: {', '.join(sorted(FORMATS))}")
    return sorted(set(found))


def _listed(file: Path) -> list[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise BadDataSet(f"{file.name} is not text; expected one image path a line") from None
    for line in lines:
        if not is_plain_path(line.strip()):
            raise BadDataSet(f"{file.name} lists {line[:80]!r}, which does not exist")
    paths = [file.parent / line.strip() for line in lines if line.strip()]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise BadDataSet(f"{file.name} lists {missing[0]}, which does not exist")
    return paths


def is_plain_path(text: str) -> bool:
    """Whether a file could be called so: nothing unprintable in it, no part too long."""
    return (
        text.isprintable()
        and len(text) < 2000
        and all(len(part.encode(errors="replace")) < 256 for part in text.split("/"))
    )


def _check_labelled(images: list[Path], split: str) -> None:
    if not any(label_path(image).is_file() for image in images):
        example = label_path(images[0])
        raise BadDataSet(
            f"the {split} images have no labels: expected e.g. "
            f"{'/'.join(example.parts[-3:])} beside {'/'.join(images[0].parts[-3:])}"
        )


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB [h, w, 3]; turned as its EXIF entry says, as ultralytics does."""
    image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise BadDataSet(
            f"{path.name} is no image that can be read; accepted: PNG, JPEG and the like"
        )
    return np.asarray(image, dtype=np.uint8)


def _place(image: NDArray[np.uint8], square: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Put ``image`` into the middle of ``square``; returns (left, top, width, height) there."""
    side = square.shape[-1]
    h, w = image.shape[:2]
    ratio = side / max(h, w)
    if ratio != 1:
        w, h = min(math.ceil(w * ratio), side), min(math.ceil(h * ratio), side)
        image = np.asarray(
            cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR), dtype=np.uint8
        )
    top, left = round((side - h) / 2 - 0.1), round((side - w) / 2 - 0.1)
    square[:, top : top + h, left : left + w] = image.transpose(2, 0, 1)
    return left, top, w, h
