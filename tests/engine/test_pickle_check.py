"""Pickles written opcode by opcode: every way to name or call something foreign is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest

from engine.errors import BadModel
from engine.pickle_check import check_checkpoint


def write(path: Path, content: bytes, *more: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("it/data.pkl", content)
        for name, data in more:
            archive.writestr(name, data)
    return path


TOUCH = b"S'touch trace'\n"


@pytest.mark.parametrize(
    "content",
    [
        b"cposix\nsystem\n(" + TOUCH + b"tR.",
        b"(" + TOUCH + b"iposix\nsystem\n.",
        b"(cposix\nsystem\n" + TOUCH + b"o.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + TOUCH + b"\x85R.",
        b"\x80\x02cposix\nsystem\n" + TOUCH + b"\x85\x81.",
        b"\x80\x04cposix\nsystem\n" + TOUCH + b"\x85}\x92.",
        b"cposix\nsystem\np0\n0N(g0\n" + TOUCH + b"o.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cbuiltins\nexec\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\nS'__self__'\ntR.",
        b"ctorch.nn.modules.activation\nSiLU\n(S'x'\ntR.",
        b"cultralytics.nn.tasks\nDetectionModel\n(S'/etc/passwd'\ntR.",
        b"ctorch.hub\nload\n(S'x'\ntR.",
        b"cultralytics.nn.modules.block\nTorchVision\n)R.",
        b"ccopyreg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        b"cos.path\nos.system\n(" + TOUCH + b"tR.",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
    ],
)
def test_foreign_globals_and_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModel, match=r"a\.pt (refers to|calls|asks for)"):
        check_checkpoint(write(tmp_path / "a.pt", content))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"garbage", b"\x80\x02X\xff\xff\xff\x7f", b"R."]
)
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadModel, match=r"a\.pt is damaged: its pickle cannot be read"):
        check_checkpoint(write(tmp_path / "a.pt", content))


def test_extension_codes(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="pickle extension 7"):
        check_checkpoint(write(tmp_path / "a.pt", b"\x82\x07."))


def test_a_second_pickle_does_not_hide(tmp_path: Path) -> None:
    harmless = pickle.dumps({}, protocol=2)
    path = write(tmp_path / "a.pt", harmless, ("it/other.pkl", b"cposix\nsystem\n."))
    with pytest.raises(BadModel, match="holds 2 pickles"):
        check_checkpoint(path)


def test_torchscript_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", pickle.dumps({}), ("it/constants.pkl", pickle.dumps(())))
    with pytest.raises(BadModel, match="TorchScript archive"):
        check_checkpoint(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol_is_read_to_its_end(tmp_path: Path, protocol: int) -> None:
    content = {"a": [1, 2.5, None, True], "b": {"c": (b"x", "y")}, "d": {1, 2}, "model": "mine"}
    with pytest.raises(BadModel, match="holds no detection model but str"):
        check_checkpoint(write(tmp_path / "a.pt", pickle.dumps(content, protocol=protocol)))


def test_the_old_yolov5_repository_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pt", b"cmodels.yolo\nModel\n)\x81.")
    with pytest.raises(BadModel, match=r"old YOLOv5 repository \(models\.yolo\.Model\)"):
        check_checkpoint(path)


def test_a_file_over_the_cap_is_refused_by_size(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 600 * 2**20)  # sparse: takes no space
    with pytest.raises(BadModel, match=r"a\.pt is 600 MiB; at most 512 MiB"):
        check_checkpoint(path)
