from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engine import data, thumbnails
from engine.data import DataSet


def test_each_split_is_shown_evenly(drawings: DataSet, tmp_path: Path) -> None:
    made = thumbnails.make(drawings, tmp_path / "out", each=3)
    assert [one.split for one in made] == ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    train = drawings.splits["train"]
    assert [one.image for one in made[:3]] == [train[0].name, train[11].name, train[23].name]
    for one in made:
        with Image.open(tmp_path / "out" / one.file) as picture:
            assert picture.size == (one.width, one.height)
            assert max(picture.size) <= thumbnails.SIDE
            assert picture.format == "WEBP"


def test_boxes_lie_where_the_labels_say(tmp_path: Path) -> None:
    """A black rectangle on white, turned by its EXIF entry: the box is drawn around it."""
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        pixels = np.full((200, 600, 3), 255, dtype=np.uint8)
        pixels[50:100, 300:450] = 0
        turned = Image.fromarray(np.rot90(pixels, 1))  # EXIF 6 says: turn it back
        exif = Image.Exif()
        exif[0x0112] = 6
        turned.save(tmp_path / "images" / split / "a.png", exif=exif)
        label = "0 0.625 0.375 0.25 0.25\n"  # x 300..450 of 600, y 50..100 of 200
        (tmp_path / "labels" / split / "a.txt").write_text(label)
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [thing]\n")
    made = thumbnails.make(data.open_data(tmp_path), tmp_path / "out")
    assert len(made) == 2
    assert (made[0].width, made[0].height, made[0].all_boxes) == (240, 80, 1)
    assert made[0].boxes == [[0, 120.0, 20.0, 60.0, 20.0]]
    picture = cv2.imread(str(tmp_path / "out" / made[0].file), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture[22:38, 122:178].max() < 60
    picture[18:42, 118:182] = 255
    assert picture.min() > 200


def test_a_picture_with_many_boxes_counts_them_all(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tmp_path / "images" / split / "a.png")
        lines = [f"0 {0.1 + i / 1000:.3f} 0.5 0.1 0.1\n" for i in range(300)]
        (tmp_path / "labels" / split / "a.txt").write_text("".join(lines))
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [thing]\n")
    made = thumbnails.make(data.open_data(tmp_path), tmp_path / "out")
    assert (len(made[0].boxes), made[0].all_boxes) == (thumbnails.MOST_BOXES, 300)
