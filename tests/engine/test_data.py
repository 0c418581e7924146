from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from engine import data
from engine.data import DataSet
from engine.data_info import describe
from engine.errors import BadDataSet


@pytest.fixture
def copied(molecules: Path, tmp_path: Path) -> Path:
    """A copy of the drawings that a test may damage."""
    return Path(shutil.copytree(molecules, tmp_path / "set"))


def test_splits_and_names(drawings: DataSet) -> None:
    assert {split: len(paths) for split, paths in drawings.splits.items()} == {
        "train": 24,
        "val": 12,
        "test": 12,
    }
    assert drawings.names[1] == "H"
    assert len(drawings.names) == 147


def test_arrays_are_letterboxed_rgb_and_repeatable(drawings: DataSet) -> None:
    split = drawings.arrays("val", 96, limit=5)
    assert split.images.shape == (5, 3, 96, 96)
    assert split.images.dtype == np.uint8
    assert len(split) == len(split.labels) == len(split.paths) == 5
    again = drawings.arrays("val", 96, limit=5)
    assert np.array_equal(split.images, again.images)
    for boxes in split.labels:
        assert boxes.dtype == np.float32
        assert boxes.shape[1] == 5
        assert (boxes[:, 1:] >= 0).all()
        assert (boxes[:, 1:] <= 1).all()
    assert sum(split.boxes().values()) == sum(map(len, split.labels))


def test_letterboxing_is_what_ultralytics_validation_does(tmp_path: Path) -> None:
    from ultralytics.data.augment import LetterBox

    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(37, 90), (90, 37), (64, 64), (200, 133), (9, 101)]):
        image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        root = _one_image(tmp_path / str(number), image, "0 0.25 0.5 0.5 1.0\n")
        split = data.open_data(root).arrays("train", 64)
        ratio = 64 / max(height, width)
        size = (min(int(np.ceil(width * ratio)), 64), min(int(np.ceil(height * ratio)), 64))
        resized = image if ratio == 1 else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        expected: Any = LetterBox((64, 64), auto=False, scaleup=False)(image=resized)
        assert np.array_equal(split.images[0], expected[..., ::-1].transpose(2, 0, 1))
        covered = (split.images[0] != 114).any(axis=0)
        left, top = covered.any(0).argmax(), covered.any(1).argmax()
        _, x, y, w, h = split.labels[0][0]
        assert (x - w / 2) * 64 == pytest.approx(left, abs=0.01)
        assert (y - h / 2) * 64 == pytest.approx(top, abs=0.01)
        assert (w * 64, h * 64) == pytest.approx((size[0] / 2, size[1]), abs=0.01)


def test_polygons_become_boxes_and_repeated_lines_go(tmp_path: Path) -> None:
    text = "0 0.1 0.2 0.5 0.2 0.5 0.6\n0 0.3 0.4 0.4 0.4\n\n0 0.3 0.4 0.4 0.4\n"
    root = _one_image(tmp_path / "a", np.zeros((32, 32, 3), np.uint8), text)
    boxes = data.open_data(root).arrays("train", 32).labels[0]
    np.testing.assert_allclose(boxes, [[0, 0.3, 0.4, 0.4, 0.4]], atol=1e-6)


def test_other_layouts_of_the_same_data(molecules: Path, copied: Path) -> None:
    expected = describe(data.open_data(molecules))
    yaml = copied / "data.yaml"
    text = yaml.read_text()
    yaml.write_text(
        text.replace("train: images/train", "train: [images/train]")
        .replace("val: images/val", "val: ../images/val")
        .replace("test: images/test", "test: test.txt")
        + f"path: {copied}\n"
    )
    listed = sorted((copied / "images" / "test").iterdir())
    (copied / "test.txt").write_text("\n".join(f"./images/test/{p.name}" for p in listed))
    assert describe(data.open_data(yaml)) == expected
    assert describe(data.open_data(copied)) == expected


def test_info_depends_on_content_only(molecules: Path, copied: Path) -> None:
    before = describe(data.open_data(molecules))
    assert before.images == {"train": 24, "val": 12, "test": 12}
    assert sum(before.boxes["val"].values()) > 50
    assert before.notes == []
    for folder in ("images", "labels"):
        for path in list((copied / folder / "val").iterdir()):
            path.rename(path.with_name(f"other-{path.name}"))
    assert describe(data.open_data(copied)) == before
    label = next((copied / "labels" / "val").iterdir())
    label.write_text(label.read_text() + "0 0.5 0.5 0.1 0.1\n")
    assert describe(data.open_data(copied)).sha256 != before.sha256


def test_info_notes_images_in_two_splits(copied: Path) -> None:
    picture = sorted((copied / "images" / "train").iterdir())[0]
    shutil.copyfile(picture, copied / "images" / "test" / "again.png")
    assert describe(data.open_data(copied)).notes == ["1 test images are train images too"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "has 4 numbers; expected 5"),
        ("0 0.5 0.5 0.1 0.1 0.2", "has 6 numbers"),
        ("0 nan 0.5 0.1 0.1", "holds NaN"),
        ("0 0.5 0.5 inf 0.1", "holds NaN or infinity"),
        ("0 0.5 0.5 1.5 0.1", "leaves the image"),
        ("0 -0.2 0.5 0.1 0.1", "leaves the image"),
        ("0 0.5 0.5 0 0.1", "box of size 0.0 x 0.1"),
        ("147 0.5 0.5 0.1 0.1", "names class 147; expected a whole number 0 to 146"),
        ("-1 0.5 0.5 0.1 0.1", "names class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "names class 0.5"),
        ("cat 0.5 0.5 0.1 0.1", "expected 'class x y w h'"),
    ],
)
def test_wrong_label_lines_are_named(copied: Path, line: str, message: str) -> None:
    label = sorted((copied / "labels" / "train").iterdir())[0]
    label.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(BadDataSet, match=f"{label.name} line 2 .*{message}"):
        data.open_data(copied).arrays("train", 32)


def test_an_image_without_label_file_is_background(copied: Path) -> None:
    label = sorted((copied / "labels" / "train").iterdir())[0]
    label.unlink()
    assert len(data.open_data(copied).arrays("train", 32, limit=1).labels[0]) == 0


def test_no_labels_at_all(copied: Path) -> None:
    shutil.rmtree(copied / "labels")
    with pytest.raises(
        BadDataSet, match=r"train images have no labels: expected e\.g\. labels/train"
    ):
        data.open_data(copied)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("val: images/val", "", "has no 'val'"),
        ("val: images/val", "val: images/nowhere", "no folder images/nowhere"),
        ("val: images/val", "val: labels/val", "no images in labels/val"),
        ("val: images/val", "val: 3", "val is 3; expected a folder"),
        ("names:", "nc: 3\nnames:", "nc is 3 but 147 classes are named"),
        ("names:", "labels:", 'has no "names"'),
        ("  0: ", "  500: ", "names must be numbered 0, 1, 2"),
    ],
)
def test_wrong_yaml_is_named(copied: Path, old: str, new: str, message: str) -> None:
    yaml = copied / "data.yaml"
    yaml.write_text(yaml.read_text().replace(old, new, 1))
    with pytest.raises(BadDataSet, match=message):
        data.open_data(copied)


def test_missing_data_set_split_and_image(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(BadDataSet, match="no data set"):
        data.open_data(tmp_path / "gone.yaml")
    with pytest.raises(BadDataSet, match=r"0 YAML files and no data\.yaml"):
        data.open_data(copied / "images")
    with pytest.raises(BadDataSet, match="no split 'holdout'; it has train, val, test"):
        data.open_data(copied).arrays("holdout", 32)
    sorted((copied / "images" / "val").iterdir())[0].write_bytes(b"nothing")
    with pytest.raises(BadDataSet, match="is no image that can be read"):
        data.open_data(copied).arrays("val", 32)


def _one_image(root: Path, image: np.ndarray, label: str) -> Path:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    cv2.imwrite(str(root / "images" / "a.png"), image)
    (root / "labels" / "a.txt").write_text(label)
    (root / "data.yaml").write_text("train: images\nval: images\nnames: [thing]\n")
    return root
