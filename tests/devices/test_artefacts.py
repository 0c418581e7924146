from __future__ import annotations

import os
from pathlib import Path

import pytest

from devices.artefacts import Store
from devices.files import atomic
from devices.runtimes.base import Artefact


class _Maker:
    """Writes a file and counts how often."""

    def __init__(self, content: str = "converted") -> None:
        self.content, self.calls = content, 0

    def __call__(self, *, out: Path) -> Artefact:
        self.calls += 1
        with atomic(out) as part:
            part.write_text(self.content)
        return Artefact.of(out, how="by hand")


def _get(store: Store, make: _Maker, *key: str, version: str = "1") -> Artefact:
    return store.get_or_make(*key, suffix=".bin", versions={"tool": version}, make=make)


def test_the_same_key_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTNAS_ARTEFACTS", raising=False)
    make = _Maker()
    first = _get(Store(tmp_path), make, "a", "b")
    again = _get(Store(tmp_path), make, "a", "b")
    assert make.calls == 1
    assert again == first
    assert again.details == {"how": "by hand"}
    assert again.path.read_text() == "converted"


def test_key_and_versions_both_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTNAS_ARTEFACTS", raising=False)
    make = _Maker()
    store = Store(tmp_path)
    paths = {
        _get(store, make, "a", "b").path,
        _get(store, make, "ab", "").path,
        _get(store, make, "a", "b", version="2").path,
    }
    assert len(paths) == make.calls == 3


def test_an_altered_artefact_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTNAS_ARTEFACTS", raising=False)
    make = _Maker()
    _get(Store(tmp_path), make, "a").path.write_text("tampered")
    assert _get(Store(tmp_path), make, "a").path.read_text() == "converted"
    assert make.calls == 2


def test_the_environment_names_a_lasting_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTNAS_ARTEFACTS", str(tmp_path / "kept"))
    found = _get(Store(tmp_path / "not used"), _Maker(), "a")
    assert found.path.parent == tmp_path / "kept"
    assert not (tmp_path / "not used").exists()


def _fail_half_way(path: Path) -> None:
    with atomic(path) as part:
        part.write_text("half")
        raise OSError("disk full")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"):
        _fail_half_way(tmp_path / "file.bin")
    assert os.listdir(tmp_path) == []
