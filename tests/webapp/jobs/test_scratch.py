"""Temporary files of jobs: gone with the job, also when its process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from devices import hostlock
from devices.errors import DeviceNotReady
from engine.sandbox.confine import NOBODY
from tests.conftest import ROOT
from webapp.catalog.uploads import HashingUploadHandler
from webapp.jobs import scratch
from webapp.jobs.processes import this_process

_DIE = """
import os, signal, tempfile
from webapp.jobs import processes, scratch
with scratch.own(processes.this_process()):
    tempfile.mkstemp()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test, also for processes that it starts."""
    scratch.sweep()  # what killed workers of other tests left in the system's folder
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_temporary_files_go_with_the_job(temporary: Path) -> None:
    with scratch.own(this_process()) as folder:
        handle, name = tempfile.mkstemp()
        os.close(handle)
        asked = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert (Path(name).parent, Path(said.strip())) == (folder, folder)
        assert scratch.sweep() == 0
        assert Path(name).exists()  # its process lives
    assert files(temporary) == []
    assert tempfile.gettempdir() == str(temporary)


def test_a_killed_process_leaves_nothing_for_long(temporary: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    done = subprocess.run([sys.executable, "-c", _DIE], cwd=ROOT, env=environment, check=False)
    assert done.returncode < 0
    assert len(files(temporary)) == 1
    assert scratch.sweep() == 1
    assert files(temporary) == []


def test_an_upload_goes_when_its_web_process_is_dead_and_not_before(site: Path) -> None:
    handler = HashingUploadHandler()
    handler.new_file("file", "model.pt", "application/octet-stream", 7)
    under_way = Path(handler.file.temporary_file_path())
    left = site / "tmpdead.upload.pt"
    left.write_bytes(b"half of a mod")
    assert scratch.sweep_uploads() == 0  # it may be a moment old, and not locked yet
    for path in (under_way, left):
        os.utime(path, (0, time.time() - 3600))  # somebody whose line is slow
    assert scratch.sweep_uploads() == 1
    assert (under_way.exists(), left.exists()) == (True, False)
    handler.file.close()


def test_the_hosts_lock_does_not_move_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock in each job's own folder would lock nobody out."""
    monkeypatch.delenv("ACTNAS_HOST_LOCKS", raising=False)
    outside = hostlock.folder()
    with scratch.own(this_process()):
        assert hostlock.folder() == outside
    monkeypatch.delenv("ACTNAS_HOST_LOCKS", raising=False)


# .ci/run is root; whoever is not cannot become somebody else.
@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user: run it as root")
def test_nobody_gets_to_an_upload_whatever_tmpdir_is(
    temporary: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary folders of services are often their own; then the system's own must do."""
    settings.FOLDERS = temporary / "work"
    temporary.chmod(0o700)
    me = this_process()
    with scratch.own(me), scratch.box(me) as box:
        (box / "in").write_text("x")
        done = subprocess.run(["cat", box / "in"], user=NOBODY, capture_output=True, check=False)
        assert done.stdout == b"x", done.stderr
        assert scratch.sweep() == 0
        assert box.exists()
    assert not box.parent.exists()
    assert files(temporary) == []
    monkeypatch.setattr(scratch, "_SYSTEM", (str(temporary),))
    with scratch.own(me), pytest.raises(DeviceNotReady, match=r"chmod o\+x one of them") as caught:
        with scratch.box(me):
            pass
    assert "\n" not in str(caught.value)


def test_somebody_elses_folder_is_refused(temporary: Path) -> None:
    (temporary / f"actnas-jobs-{os.getuid()}").symlink_to("/")
    with pytest.raises(PermissionError, match="is somebody else's: remove it"):
        with scratch.own(this_process()):
            pass
    assert scratch.sweep() == 0
