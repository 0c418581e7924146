"""What a confined process has lost, tried out in one; and that it could do it before."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.sandbox.confine import NOBODY, Confinement, Limits, confine
from tests.hostile.pickles import touches

root = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user: run it as root")
Try = Callable[[Confinement], object]


@pytest.fixture
def box() -> Iterator[Path]:
    """A folder that everybody can get to."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "in").mkdir()
        (place / "tmp").mkdir(mode=0o777)
        (place / "tmp").chmod(0o777)
        (place / "secret").write_text("x")
        yield place


def outcome(
    box: Path, act: Try, *, as_user: int | None = None, limits: Limits | None = None
) -> str:
    """What ``act`` comes to in a confined process: "done", or the name of its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if as_user is not None:
                os.setgroups([])
                os.setresgid(as_user, as_user, as_user)
                os.setresuid(as_user, as_user, as_user)
            held = confine(read=box / "in", write=box / "tmp", limits=limits or Limits())
            try:
                act(held)
                os.write(writer, b"done")
            except (OSError, MemoryError, AssertionError) as error:
                os.write(writer, type(error).__name__.encode())
        except OSError:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        text = said.read().decode()
    os.waitpid(pid, 0)
    return text


def read_through(link: Path) -> str:
    link.symlink_to("/etc/passwd")
    return link.read_text()


def test_it_says_what_it_lost(box: Path) -> None:
    def look(held: Confinement) -> None:
        assert held.network
        assert held.files
        assert held.processes
        assert held.user == (NOBODY if os.getuid() == 0 else os.getuid())

    assert outcome(box, look) == "done"


@pytest.mark.parametrize("user", [None, pytest.param(12_345, marks=root)])
def test_files_network_processes_signals(box: Path, user: int | None) -> None:
    parent = os.getpid()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        tries: dict[str, tuple[Try, str]] = {
            "read what everybody may": (
                lambda h: Path("/etc/passwd").read_text(),
                "PermissionError",
            ),
            "read beside its folders": (lambda h: (box / "secret").read_text(), "PermissionError"),
            "look at processes": (lambda h: os.listdir("/proc"), "PermissionError"),
            "write outside": (
                lambda h: Path("/tmp/confined-was-here").write_text("x"),
                "PermissionError",
            ),
            "write what it reads": (
                lambda h: (box / "in" / "x").write_text("x"),
                "PermissionError",
            ),
            "read through a link": (
                lambda h: read_through(box / "tmp" / f"link{user}"),
                "PermissionError",
            ),
            "connect": (
                lambda h: socket.create_connection(address, 2),
                "OSError|PermissionError|ConnectionRefusedError",
            ),
            "fork": (lambda h: os.fork(), "BlockingIOError"),
            "start a program": (
                lambda h: os.posix_spawn("/usr/bin/env", ["env"], {}),
                "BlockingIOError|PermissionError",
            ),
            "end its parent": (lambda h: os.kill(parent, signal.SIGTERM), "PermissionError"),
            "become root": (lambda h: os.setuid(0), "OSError|PermissionError"),
        }
        for name, (act, wanted) in tries.items():
            assert outcome(box, act, as_user=user) in wanted.split("|"), name
    assert not Path("/tmp/confined-was-here").exists()


@pytest.mark.parametrize("user", [None, pytest.param(12_345, marks=root)])
def test_what_it_may(box: Path, user: int | None) -> None:
    (box / "in" / "upload").write_text("x")

    def work(held: Confinement) -> None:
        assert (box / "in" / "upload").read_text() == "x"
        (box / "tmp" / f"made{user}").mkdir()
        (box / "tmp" / f"made{user}" / "file").write_text("y")
        import colorsys  # noqa: F401  # a library that nobody imported yet

    assert outcome(box, work, as_user=user) == "done"


def test_a_canary_would_sing(box: Path) -> None:
    """What the corpus looks for is there if code of a file does run in a confined process."""
    canary = box / "tmp" / "canary"
    content = pickle.dumps(touches(canary))
    assert outcome(box, lambda held: pickle.loads(content)) == "done"  # noqa: S301
    assert canary.exists()


def test_memory_and_file_sizes_end(box: Path) -> None:
    small = Limits(memory_mib=200, file_mib=1)
    assert outcome(box, lambda held: bytearray(100 * 2**20), limits=small) == "done"
    assert outcome(box, lambda held: bytearray(300 * 2**20), limits=small) == "MemoryError"
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does at its start
    large = lambda held: (box / "tmp" / "large").write_bytes(bytes(2 * 2**20))  # noqa: E731
    assert outcome(box, large, limits=small) == "OSError"
