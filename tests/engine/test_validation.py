from __future__ import annotations

import io
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from engine import archive, data, validation
from engine.data_info import describe
from engine.errors import BadDataSet

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def files(molecules: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(molecules)): path.read_bytes()
        for path in sorted(molecules.rglob("*"))
        if path.is_file() and path.suffix in {".png", ".txt", ".yaml"}
    }


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def refused(folder: Path, match: str, *, name: str = "set.zip") -> None:
    """The archive is refused with one clear line and nothing is left of it."""
    with pytest.raises(BadDataSet, match=match) as caught:
        validation.validate_archive(folder / name, folder / "out")
    assert "\n" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize("top", ["", "molecules/"])
def test_a_good_archive_is_stored_in_one_layout(
    files: dict[str, bytes], molecules: Path, tmp_path: Path, top: str
) -> None:
    pack(tmp_path / "set.zip", {f"{top}{name}": content for name, content in files.items()})
    info = validation.validate_archive(tmp_path / "set.zip", tmp_path / "out")
    assert info == describe(data.open_data(molecules))
    assert info == describe(data.open_data(tmp_path / "out"))
    assert info.to_json()["images"] == {"train": 24, "val": 12, "test": 12}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["data.yaml", "images", "labels"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set.zip"]


def test_a_missing_test_split_is_cut_from_train_by_seed(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    kept = {name: content for name, content in files.items() if "/test/" not in name}
    kept["data.yaml"] = kept["data.yaml"].replace(b"test: images/test\n", b"")
    pack(tmp_path / "set.zip", kept)
    infos = [
        validation.validate_archive(tmp_path / "set.zip", tmp_path / f"out{number}", seed=seed)
        for number, seed in enumerate([0, 0, 1])
    ]
    assert infos[0].images == {"train": 19, "val": 12, "test": 5}
    assert infos[0].notes == ["no test split: 5 of the train images became one (seed 0)"]
    assert infos[0] == infos[1]
    assert infos[0].sha256 != infos[2].sha256


def test_an_existing_folder_is_never_overwritten(files: dict[str, bytes], tmp_path: Path) -> None:
    pack(tmp_path / "set.zip", files)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(FileExistsError):
        validation.validate_archive(tmp_path / "set.zip", tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "x"


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.txt",
        "images/../../escaped.txt",
        "/tmp/escaped.txt",
        "..\\escaped.txt",
        "C:/escaped.txt",
    ],
)
def test_paths_that_leave_the_archive(files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    pack(folder / "set.zip", {**files, name: b"x"})
    refused(folder, "leads out of the archive")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_links_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path / "set.zip", files), "a") as target:
        link = zipfile.ZipInfo("images/train/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
    refused(tmp_path, "is a link or device")


def test_repeated_names_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    pack(tmp_path / "set.zip", {**files, "DATA.yaml": b"names: [a]"})
    refused(tmp_path, "comes twice")


def test_compression_bombs_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    pack(tmp_path / "set.zip", {**files, "images/train/zeros.png": bytes(5 * 2**20)})
    refused(tmp_path, r"unpacks to \d+ times its size; at most 200")


def test_a_total_over_the_cap_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pack(tmp_path / "set.zip", files)
    with pytest.raises(BadDataSet, match=r"set\.zip unpacks to .* GiB; at most 0\.0"):
        archive.unpack(tmp_path / "set.zip", tmp_path / "out", max_bytes=1000)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(content)
    refused(tmp_path, r"set\.zip is no zip file or is damaged")


def test_a_truncated_or_damaged_zip(files: dict[str, bytes], tmp_path: Path) -> None:
    whole = pack(tmp_path / "set.zip", files).read_bytes()
    (tmp_path / "set.zip").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, "is no zip file or is damaged")
    damaged = bytearray(whole)
    damaged[2000:2400] = bytes(400)
    (tmp_path / "set.zip").write_bytes(bytes(damaged))
    refused(tmp_path, "damaged|cannot be unpacked")


def _png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def _without_labels(files: dict[str, bytes]) -> None:
    for name in [name for name in files if name.startswith("labels/")]:
        del files[name]


def _set(name: str, content: bytes) -> Change:
    return lambda files: files.__setitem__(name, content)


def _yaml(old: bytes, new: bytes) -> Change:
    def change(files: dict[str, bytes]) -> None:
        assert old in files["data.yaml"]
        files["data.yaml"] = files["data.yaml"].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_labels, "the train images have no labels"),
        (lambda files: files.pop("data.yaml"), "holds no data.yaml at its top"),
        (_set("images/train/x.png", b"no image"), "x.png is no image"),
        (_set("images/train/x.png", _png(64, 64)[:-30]), "image x.png is damaged"),
        (_set("images/train/x.png", _png(9000, 9000)), "x.png is 9000 x 9000"),
        (_set("images/train/x.png", _png(2, 2)), "x.png is 2 x 2"),
        (_set("labels/val/x.txt", b""), ""),
        (_yaml(b"train: images/train", b"train: /etc"), "expected a folder of the archive"),
        (_yaml(b"train: images/train", b"train: ../../etc"), "expected a folder of the archive"),
        (_yaml(b"train: images/train", b"train: !!python/name:os.system"), "no plain YAML"),
    ],
)
def test_what_is_wrong_is_named(
    files: dict[str, bytes], tmp_path: Path, change: Change, message: str
) -> None:
    changed = dict(files)
    change(changed)
    pack(tmp_path / "set.zip", changed)
    if message:
        refused(tmp_path, message)
    else:  # a label without an image harms nobody
        validation.validate_archive(tmp_path / "set.zip", tmp_path / "out")


def test_a_wrong_label_is_named_and_nothing_is_left(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    name = next(name for name in files if name.startswith("labels/test/"))
    pack(tmp_path / "set.zip", {**files, name: b"0 0.5 nan 0.1 0.1\n"})
    refused(tmp_path, f"{Path(name).name} line 1 holds NaN")


def test_a_list_of_images_may_not_leave_the_archive(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    changed = dict(files)
    _yaml(b"train: images/train", b"train: train.txt")(changed)
    changed["train.txt"] = b"/etc/hostname\n"
    pack(tmp_path / "set.zip", changed)
    refused(tmp_path, "outside of the archive|does not exist|no labels")


def test_a_download_entry_is_never_run(files: dict[str, bytes], tmp_path: Path) -> None:
    changed = dict(files)
    changed["data.yaml"] += b"download: 'import os; os.system(\"touch trace\")'\npath: /etc\n"
    pack(tmp_path / "set.zip", changed)
    validation.validate_archive(tmp_path / "set.zip", tmp_path / "out")
    assert "download" not in (tmp_path / "out" / "data.yaml").read_text()
