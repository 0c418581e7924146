"""The server of the sandbox as its clients see it: it outlives its children and is not believed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadModel, EngineError
from engine.sandbox import client
from engine.sandbox.client import CheckLost, Server, ServerGone
from engine.sandbox.confine import NOBODY, Limits
from engine.sandbox.task import Request
from tests.hostile.pickles import endless_hash
from tests.hostile.yamls import GOOD


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def box() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "in").mkdir()
        (place / "tmp").mkdir()
        if os.getuid() == 0:
            os.chown(place / "tmp", NOBODY, NOBODY)
        yield place


def request(box: Path, name: str, content: bytes, **limits: int) -> Request:
    (box / "in" / name).write_bytes(content)
    return Request(kind="model", box=box, file=name, limits=Limits(**limits))


def test_a_good_model_comes_back_as_facts(server: Server, box: Path, abd_checkpoint: Path) -> None:
    shutil.copy(abd_checkpoint, box / "in" / "ABD.pt")
    asked = Request(kind="model", box=box, file="ABD.pt", limits=Limits(memory_mib=1024))
    found = server.check(asked, timeout_s=60)
    assert (found.facts.family, len(found.facts.sites)) == ("YOLOv8n", 57)
    assert found.held.endswith("no network, no files, no processes")
    assert 0 < found.usage.peak_mib < 600


def test_too_little_memory_is_said(server: Server, box: Path, abd_checkpoint: Path) -> None:
    shutil.copy(abd_checkpoint, box / "in" / "ABD.pt")
    asked = Request(kind="model", box=box, file="ABD.pt", limits=Limits(memory_mib=12))
    with pytest.raises(BadModel, match=r"12 MiB"):
        server.check(asked, timeout_s=60)
    test_small(server, box)


def test_small(server: Server, box: Path) -> None:
    found = server.check(request(box, "a.yaml", GOOD.encode()), timeout_s=60)
    assert (found.facts.kind, found.facts.weights, len(found.facts.names)) == ("yaml", False, 3)


def test_time_ends_a_check_and_the_server_goes_on(server: Server, box: Path) -> None:
    asked = request(box, "a.pt", endless_hash(box), cpu_s=60)
    with pytest.raises(BadModel, match=r"a\.pt takes more than 1 s to be checked"):
        server.check(asked, timeout_s=1)
    test_small(server, box)


def test_who_asks_may_give_up(server: Server, box: Path) -> None:
    begun = time.monotonic()

    def enough() -> None:
        if time.monotonic() - begun > 0.5:
            raise InterruptedError

    asked = request(box, "a.pt", endless_hash(box), cpu_s=60)
    with pytest.raises(InterruptedError):
        server.check(asked, timeout_s=60, while_waiting=enough)
    assert _children_end(server)


def _children_end(server: Server) -> bool:
    task = f"/proc/{server._process.pid}/task/{server._process.pid}/children"
    deadline = time.monotonic() + 10
    while Path(task).read_text().strip():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_dead_server_is_said_so(box: Path) -> None:
    with Server() as short:
        os.kill(short._process.pid, signal.SIGKILL)
        short._process.wait()
        assert not short.is_alive()
        with pytest.raises((ServerGone, CheckLost)):
            short.check(request(box, "a.yaml", GOOD.encode()), timeout_s=10)


ENDED = {"ended": {"status": 0, "peak_mib": 9.0, "idle_mib": 8.0, "cpu_s": 0.1, "seconds": 0.1}}
FACTS: dict[str, Any] = {
    "kind": "pt",
    "family": "YOLOv8n",
    "imgsz": 640,
    "weights": True,
    "names": ["a"],
    "sites": [{"path": "model.0.act", "activation": "silu", "shape": [1, 2, 3]}],
}


def lies(tmp_path: Path, facts: dict[str, Any]) -> object:
    asked = Request(kind="model", box=tmp_path, file="a.pt")
    return client.verdict(asked, iter([{"facts": facts}, ENDED]), lambda share, text: None)


def test_the_truth_is_taken(tmp_path: Path) -> None:
    assert lies(tmp_path, FACTS) is not None


@pytest.mark.parametrize(
    "lie",
    [
        {"kind": "exe"},
        {"names": ["a\0"]},
        {"names": ["a" * 201]},
        {"names": []},
        {"names": ["a"] * 2001},
        {"family": "x" * 41},
        {"imgsz": -1},
        {"sites": [{"path": "x" * 501, "activation": "silu", "shape": None}]},
        {"sites": [{"path": "x", "activation": "silu", "shape": [-1]}]},
        {"owner": "mallory"},
    ],
)
def test_what_a_taken_over_reader_says_is_not_believed(tmp_path: Path, lie: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="said what it may not"):
        lies(tmp_path, {**FACTS, **lie})


def test_killed_from_outside_is_worth_another_try(tmp_path: Path) -> None:
    asked = Request(kind="model", box=tmp_path, file="a.pt")
    killed = {"ended": {**ENDED["ended"], "status": -9}}
    with pytest.raises(CheckLost):
        client.verdict(asked, iter([killed]), lambda share, text: None)
