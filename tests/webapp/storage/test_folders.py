"""Folders that hosts share through a remote storage: each test plays two hosts in turn."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.webapp.storage.conftest import objects, overwrite
from webapp import folders
from webapp.copies import Damaged
from webapp.folders import Folder, Overtaken

Host = Callable[[str], Path]


@pytest.fixture
def host(settings: Settings, tmp_path: Path) -> Host:
    """``host("a")``: from now on this process is on that host; where the folder lies there."""

    def be(name: str) -> Path:
        settings.FOLDERS = tmp_path / name
        return FOLDER.path

    return be


FOLDER = Folder("searches/tea")
CLOCK = itertools.count(1_700_000_000)


def write(folder: Path, **files: str) -> None:
    """Files by stem, with the suffix .json; later ones are younger."""
    for stem, text in files.items():
        path = folder / "stages" / f"{stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (next(CLOCK),) * 2)


def read(folder: Path) -> dict[str, str]:
    """What lies there by stem, oldest first."""
    paths = sorted((folder / "stages").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return {path.stem: path.read_text() for path in paths}


def test_another_host_gets_what_was_put_in_its_order(remote: str, host: Host) -> None:
    write(host("a"), train="1", inspect="2", cost="1")
    (FOLDER.path / "half.part").write_text("being written")
    (FOLDER.path / "link").symlink_to("/etc/passwd")
    FOLDER.put()
    there = host("b")
    assert FOLDER.fetch() == there
    assert list(read(there).items()) == [("train", "1"), ("inspect", "2"), ("cost", "1")]
    assert {path.name for path in there.iterdir()} == {"stages"}


def test_it_comes_back_with_what_the_other_host_changed(remote: str, host: Host) -> None:
    write(host("a"), inspect="1", cost="1", gone="1")
    FOLDER.put()
    there = host("b")
    FOLDER.fetch()
    (there / "stages" / "gone.json").unlink()
    write(there, inspect="1", cost="2", decide="1")
    FOLDER.put()
    here = host("a")
    assert read(here)["cost"] == "1"  # nothing comes by itself
    FOLDER.fetch()
    assert read(here) == {"inspect": "1", "cost": "2", "decide": "1"}


def test_a_host_that_was_overtaken_puts_nothing(remote: str, host: Host) -> None:
    write(host("a"), inspect="1")
    FOLDER.put()
    write(host("b"), mine="1")
    FOLDER.fetch()
    write(FOLDER.path, cost="b")
    FOLDER.put()
    write(host("a"), cost="a")  # believed dead, and still at it
    with pytest.raises(Overtaken, match="searches/tea was changed by another host"):
        FOLDER.put()
    host("c")
    assert read(FOLDER.fetch()) == {"inspect": "1", "cost": "b"}


def test_what_a_killed_worker_had_not_put_stays_on_its_host(remote: str, host: Host) -> None:
    write(host("a"), inspect="1")
    FOLDER.put()
    write(host("a"), inspect="1", cost="1")  # kill -9: never put
    assert read(FOLDER.fetch()) == {"inspect": "1", "cost": "1"}
    host("b")
    assert read(FOLDER.fetch()) == {"inspect": "1"}


def test_a_content_is_stored_once_and_goes_with_its_last_file(
    remote: str, host: Host, s3_server: str
) -> None:
    write(host("a"), one="same", two="same")
    FOLDER.put()
    before = objects(s3_server, remote)
    assert len(before) == 2  # the content and the index
    write(FOLDER.path, one="same", two="other")
    FOLDER.put()
    assert len(objects(s3_server, remote)) == 3
    write(FOLDER.path, one="other", two="other")
    FOLDER.put()
    assert len(objects(s3_server, remote)) == 2
    assert not set(before) & {key for key in objects(s3_server, remote) if "index" not in key}


def test_what_the_storage_damaged_is_refused(remote: str, host: Host, s3_server: str) -> None:
    write(host("a"), weights="1")
    FOLDER.put()
    (key,) = [key for key in objects(s3_server, remote) if "index" not in key]
    overwrite(s3_server, remote, key, b"2")
    there = host("b")
    with pytest.raises(Damaged, match=r"copy of weights\.json is damaged"):
        FOLDER.fetch()
    assert [path for path in there.rglob("*") if path.is_file()] == []
    with pytest.raises(Damaged):
        FOLDER.copy(Path("/elsewhere/weights.json"), sha256=key.rpartition("/")[2])


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped"])
def test_an_index_cannot_name_a_file_elsewhere(
    remote: str, host: Host, s3_server: str, name: str, tmp_path: Path
) -> None:
    write(host("a"), weights="1")
    FOLDER.put()
    (index,) = [key for key in objects(s3_server, remote) if "index" in key]
    text = (tmp_path / "a" / ".copies" / "searches" / "tea.json").read_text()
    body = text.replace("stages/weights.json", name)
    overwrite(s3_server, remote, index, body.encode())
    host("b")
    with pytest.raises(Damaged, match="escaped"):
        FOLDER.fetch()
    assert not list(tmp_path.rglob("escaped"))


def test_one_file_is_read_without_the_rest(remote: str, host: Host) -> None:
    write(host("a"), weights="12", cost="1")
    FOLDER.put()
    host("b")
    with FOLDER.open("stages/weights.json") as file:
        assert file.read() == b"12"
    assert FOLDER.sizes(["stages/weights.json", "none"]) == {"stages/weights.json": 2}
    with pytest.raises(FileNotFoundError, match="has no file 'none'"):
        FOLDER.open("none")
    sha256 = FOLDER.stored()["stages/weights.json"].sha256
    copied = FOLDER.copy(Path("/of/host/a/weights.json"), sha256=sha256)
    assert (copied.name, copied.read_text()) == ("weights.json", "12")
    assert not FOLDER.path.exists()


def test_removed_it_is_nowhere_and_may_begin_anew(remote: str, host: Host, s3_server: str) -> None:
    write(host("a"), weights="1")
    FOLDER.put()
    host("b")
    FOLDER.fetch()
    FOLDER.remove()
    assert objects(s3_server, remote) == []
    assert not FOLDER.path.exists()
    here = host("a")
    FOLDER.fetch()
    assert read(here) == {}
    write(here, weights="2")
    FOLDER.put()
    assert list(folders.all_names()) == ["searches/tea"]


def test_copies_that_nobody_uses_go(remote: str, host: Host, settings: Settings) -> None:
    write(host("a"), weights="1")
    FOLDER.put()
    copied = FOLDER.copy(Path("w"), sha256=FOLDER.stored()["stages/weights.json"].sha256)
    assert folders.sweep() == 0
    old = time.time() - (settings.COPIES_DAYS * 24 + 1) * 3600
    for path in (copied.parent, settings.FOLDERS / ".copies" / "searches" / "tea.json"):
        os.utime(path, (old, old))
    assert folders.sweep() == 2
    assert not FOLDER.path.exists()
    assert read(FOLDER.fetch()) == {"weights": "1"}


def test_without_a_remote_storage_it_is_simply_there(host: Host) -> None:
    write(host("a"), weights="1")
    FOLDER.put()
    assert read(FOLDER.fetch()) == {"weights": "1"}
    assert folders.sweep() == 0
    assert FOLDER.copy(FOLDER.path / "x", sha256="0" * 64) == FOLDER.path / "x"
    with FOLDER.open("stages/weights.json") as file:
        assert file.read() == b"1"
    (FOLDER.path.parent / "secret").write_text("not in the folder")
    for path in ("../secret", "/etc/passwd", "stages", "none"):
        with pytest.raises(FileNotFoundError):
            FOLDER.open(path)
    assert FOLDER.sizes(["stages/weights.json", "../secret"]) == {"stages/weights.json": 1}
    assert not (FOLDER.path.parents[1] / ".copies").exists()
