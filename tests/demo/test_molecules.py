"""The generated data set: complete, exact, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from webapp.demo import drawings, molecules

NAMES = {1: "H", 7: "N", 8: "O", 16: "S", 17: "Cl", 35: "Br", 121: "Single", 122: "Double"}
IMAGES = {"train": 6, "val": 3, "test": 8}


def make(folder: Path, *, seed: int = 0) -> molecules.Molecules:
    return molecules.build(
        folder, names=NAMES, images=IMAGES, size=128, min_test_boxes=2, seed=seed
    )


def test_it_writes_every_split_with_a_label_file_per_image(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.images == IMAGES
    for split, count in IMAGES.items():
        images = sorted((tmp_path / "images" / split).iterdir())
        labels = sorted((tmp_path / "labels" / split).iterdir())
        assert [i.stem for i in images] == [label.stem for label in labels]
        assert len(images) == count
        with Image.open(images[0]) as image:
            assert image.size == (128, 128)
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == NAMES


def test_every_labelled_class_has_enough_test_boxes_and_the_others_are_named(
    tmp_path: Path,
) -> None:
    made = make(tmp_path)
    for split in IMAGES:
        assert set(made.boxes[split]) <= set(made.boxes["test"])
    assert min(made.boxes["test"].values()) >= 2
    assert not set(made.left_out) & set(made.boxes["test"])
    assert made.left_out  # 17 images are too few for every element of the NCI molecules


def test_equal_seeds_give_equal_archives_and_other_seeds_other_ones(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        make(folder, seed=seed)
        digests.append(molecules.pack(folder, tmp_path / f"{number}.zip"))
    assert digests[0] == digests[1] != digests[2]


def test_no_molecule_is_in_two_splits(tmp_path: Path) -> None:
    make(tmp_path)
    labels = [path.read_text() for path in (tmp_path / "labels").rglob("*.txt")]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("angle", [0, 77, 190])
def test_label_boxes_hold_ink_and_their_margin_does_not(angle: int) -> None:
    drawn = drawings.sketch("NCCCl", angle)
    assert [box.name for box in drawn.boxes].count("Single") == 3
    assert {"N", "H", "Cl"} <= {box.name for box in drawn.boxes}
    ink = np.asarray(drawings.picture(drawn, drawings.CANVAS).convert("L")) < 128
    for box in drawn.boxes:
        if box.name == "Cl":
            x0, y0, x1, y1 = (round(v * drawings.CANVAS) for v in (box.x0, box.y0, box.x1, box.y1))
            assert ink[y0:y1, x0:x1].any()
            rows = np.flatnonzero(ink[y0:y1, x0:x1].any(axis=1))
            assert abs(rows[0] - drawings.GLYPH_MARGIN) <= 2
            assert abs((y1 - y0) - rows[-1] - drawings.GLYPH_MARGIN) <= 3


def test_it_refuses_more_images_than_there_are_molecules(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="molecules fit"):
        molecules.build(
            tmp_path,
            names={121: "Single"},
            images={"train": 1, "val": 0, "test": 1500},
            size=32,
            min_test_boxes=1,
        )
