"""An uploaded data set: checked file by file and stored in one layout."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, UnidentifiedImageError

from engine import archive, labels, yaml_limits
from engine.data import FORMATS, SPLITS, DataSet, find_yaml, is_plain_path, open_data
from engine.data_info import DataSetInfo, describe
from engine.errors import BadDataSet, one_line

__all__ = ["validate_archive"]

MAX_IMAGES = 100_000
MAX_PIXELS = 50_000_000
MAX_IMAGE_BYTES = 64 * 2**20
TEST_SHARE = 0.2
MIN_TRAIN = 10  # below that no test split can be cut off
_PIL_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")  # JPEG opens MPO files too
Image.init()  # open() looks the named formats up before it would load their decoders itself


def validate_archive(zip_path: Path, out_dir: Path, *, seed: int = 0) -> DataSetInfo:
    """Unpack and check the data set in ``zip_path`` and store it as the new folder ``out_dir``.

    The stored layout is data.yaml, images/<split>/ and labels/<split>/. Without a test split a
    fifth of the train images becomes one, drawn by ``seed``.

    Raises:
        BadDataSet: the archive, its YAML, an image or a label is not acceptable; one line says
            which and why. Nothing is left behind then.
        FileExistsError: ``out_dir`` exists and is not empty.
    """
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    if out_dir.exists() and any(out_dir.iterdir()):
        raise FileExistsError(f"{out_dir} exists and is not empty")
    work = Path(tempfile.mkdtemp(dir=out_dir.parent, prefix=f".{out_dir.name}."))
    try:
        unpacked, stored = work / "unpacked", work / "stored"
        unpacked.mkdir()
        stored.mkdir()
        archive.unpack(Path(zip_path), unpacked)
        info = _store(_open_inside(unpacked, Path(zip_path).name), stored, seed=seed)
        stored.chmod(0o755)
        stored.replace(out_dir)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return info


def _open_inside(unpacked: Path, name: str) -> DataSet:
    """The data set in ``unpacked``, whose YAML may point nowhere else."""
    folder = unpacked
    while not any(p.suffix in {".yaml", ".yml"} for p in folder.iterdir() if p.is_file()):
        below = [p for p in folder.iterdir() if p.is_dir()]
        if len(below) != 1:
            raise BadDataSet(
                f"{name} holds no data.yaml at its top; expected data.yaml, images/, labels/"
            )
        folder = below[0]
    file = find_yaml(folder)
    document = yaml_limits.read(file, error=BadDataSet)
    stated = document.get("path")
    if isinstance(stated, str) and is_plain_path(stated):
        # where the data set lay on the user's machine means nothing here
        inside = (folder / document.pop("path")).resolve()
        if inside.is_dir() and inside.is_relative_to(unpacked.resolve()):
            document["path"] = str(inside)
    for split in SPLITS:
        for item in _listed(document.get(split)):
            if isinstance(item, str) and (item.startswith("/") or ".." in item.removeprefix("../")):
                raise BadDataSet(
                    f"{file.name}: {split} is {item!r}; expected a folder of the archive"
                )
            if isinstance(item, str) and item.endswith(".txt") and (folder / item).is_file():
                _check_list(folder / item, file.name, split)
    document.pop("download", None)  # ultralytics would run it; we never do
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    data_set = open_data(file)
    root = unpacked.resolve()
    for split, images in data_set.splits.items():
        for image in images:
            if not image.resolve().is_relative_to(root):
                raise BadDataSet(f"{file.name}: {split} lists an image outside of the archive")
    return data_set


def _check_list(file: Path, name: str, split: str) -> None:
    """Before anybody looks whether a file of that name is there."""
    for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        if line.startswith("/") or ".." in line.strip().split("/"):
            raise BadDataSet(f"{name}: {split} lists an image outside of the archive")


def _listed(stated: Any) -> list[Any]:
    return stated if isinstance(stated, list) else [stated]


def _store(found: DataSet, out: Path, *, seed: int) -> DataSetInfo:
    notes: list[str] = []
    splits = dict(found.splits)
    total = sum(len(images) for images in splits.values())
    if total > MAX_IMAGES:
        raise BadDataSet(f"the data set has {total} images; at most {MAX_IMAGES}")
    if "test" not in splits:
        splits["train"], splits["test"] = _cut(splits["train"], seed=seed)
        notes.append(
            f"no test split: {len(splits['test'])} of the train images became one (seed {seed})"
        )
    for split in SPLITS:
        for index, image in enumerate(splits[split]):
            _store_one(found, image, out, split=split, index=index)
    document = {split: f"images/{split}" for split in SPLITS} | {"names": found.names}
    (out / "data.yaml").write_text(
        yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    info = describe(open_data(out), notes=notes)
    for split, boxes in info.boxes.items():
        if not boxes:
            raise BadDataSet(f"the {split} split has no box; every split needs labelled images")
    return info


def _cut(train: list[Path], *, seed: int) -> tuple[list[Path], list[Path]]:
    """(train, test): a fifth of the images, fixed by ``seed``."""
    if len(train) < MIN_TRAIN:
        raise BadDataSet(
            f"the data set has no test split and only {len(train)} train images; at least "
            f"{MIN_TRAIN} are needed to make one"
        )
    chosen = np.random.default_rng(seed).permutation(len(train))[: round(TEST_SHARE * len(train))]
    test = set(chosen.tolist())
    rest = [image for index, image in enumerate(train) if index not in test]
    return rest, [image for index, image in enumerate(train) if index in test]


def _store_one(found: DataSet, image: Path, out: Path, *, split: str, index: int) -> None:
    """Check one image and its labels and copy both to where they are kept."""
    _check_image(image)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", image.stem).strip("._")[:60] or "image"
    name = f"{index:06d}-{stem}"
    picture = out / "images" / split / f"{name}{image.suffix.lower()}"
    label = out / "labels" / split / f"{name}.txt"
    for target in (picture, label):
        target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, picture)  # copied, as an image may be listed in two splits
    label.write_text(labels.write(found.boxes(image)), encoding="utf-8")


def _check_image(path: Path) -> None:
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise BadDataSet(f"image {path.name} is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata; the pixels decide
            with Image.open(path, formats=_PIL_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS or min(width, height) < 8:
                    raise BadDataSet(
                        f"image {path.name} is {width} x {height}; accepted: 8 px and more a side, "
                        f"at most {MAX_PIXELS // 10**6} megapixels"
                    )
                image.load()
    except BadDataSet:
        raise
    except Image.DecompressionBombError:  # before it says its size
        raise BadDataSet(
            f"image {path.name} has more than {MAX_PIXELS // 10**6} megapixels, the most accepted"
        ) from None
    except (UnidentifiedImageError, ModuleNotFoundError):
        # ultralytics, once imported, makes PIL ask for a HEIF reader when it knows no other
        raise BadDataSet(
            f"{path.name} is no image; accepted: {', '.join(sorted(FORMATS))}"
        ) from None
    except Exception as error:  # decoders raise many kinds on damaged files
        raise BadDataSet(f"image {path.name} is damaged: {one_line(error)}") from error
