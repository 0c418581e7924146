"""Uploads read in containers: held as devices are, the same answers as without, nothing left."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

import devices
from devices import HARNESS_VERSION
from devices.confinement import Limits as Cage
from devices.errors import DeviceNotReady, MeasurementFailed, NotAResult, NotConfined
from devices.transports import containers
from devices.transports.containers import Setup
from devices.transports.engines import Engine
from engine.errors import BadDataSet, BadModel, UserError
from engine.sandbox.client import Checked, CheckLost, Server
from engine.sandbox.confine import Limits
from engine.sandbox.container import Containers, limits_for
from engine.sandbox.task import Request
from tests.conftest import ROOT
from tests.docker import validation
from tests.docker.conftest import Build, held, left
from tests.hostile import images, labels, onnx_files, pickles, yamls, zips
from tests.hostile.case import Case
from tests.hostile.pickles import endless_hash
from tests.hostile.sets import pack
from tests.webapp.test_validation import zipped

pytestmark = pytest.mark.docker

KINDS = (pickles.CASES, yamls.CASES, onnx_files.CASES, zips.CASES, images.CASES, labels.CASES)
# In the place of a reader: says hello, takes an upload, then does what the upload's name says.
LIAR = """
import json, sys
import devices
from devices import confinement, frames

def say(kind, content=b"", **more):
    sys.stdout.buffer.write(frames.head(kind, len(content), **more) + content)
    sys.stdout.flush()

found = confinement.read()
if CHANGE:
    found.no_new_privileges = False
say("hello", found.model_dump_json().encode(), harness=VERSION)
source = sys.stdin.buffer
head = frames.receive(source.read)
name = json.loads(frames.body(source.read, head["bytes"]))["file"]
frames.body(source.read, frames.receive(source.read)["bytes"])
what = name.removesuffix(".yaml")
if what == "garbage":
    print("I own this machine")
elif what == "ends":
    sys.exit(3)
elif what == "swells":
    kept = [bytearray(b"x" * (1 << 26)) for _ in range(400)]
elif what == "talks":
    while True:
        say("said", b"x" * (1 << 22))
elif what == "up":
    say("file", b"x", path="tmp/out/../../../outside")
elif what == "link":
    say("odd", path="tmp/out/link")
elif what == "gives":
    say("folder", path="tmp/out")
    say("file", bytes(1 << 22), path="tmp/out/a")
elif what == "much":
    say("folder", path="tmp/out")
    sys.stdout.buffer.write(frames.head("file", 1 << 40, path="tmp/out/a"))
    while True:
        sys.stdout.buffer.write(bytes(1 << 20))
say("end")
"""


@pytest.fixture
def setup(engine: docker.DockerClient) -> Iterator[Setup]:
    """Containers of this test; none is left."""
    mine = Setup(limits=Cage(cpuset="0"), site=uuid.uuid4().hex, owner="me")
    yield mine
    assert left(engine, mine) == []


@pytest.fixture
def reader(setup: Setup) -> Containers:
    """With the real image."""
    return Containers(validation.image(), setup)


@pytest.fixture(scope="module")
def beside() -> Iterator[Server]:
    """The reader without a container."""
    with Server() as running:
        yield running


Box = Callable[..., Request]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """``box("a.yaml", b"...")``: an upload where a worker lays it, asked about."""
    number = 0

    def lay(name: str, content: bytes, *, kind: Any = "model", **limits: int) -> Request:
        nonlocal number
        number += 1
        place = tmp_path / f"box-{number}"
        (place / "in").mkdir(parents=True)
        (place / "tmp").mkdir()
        (place / "tmp").chmod(0o777)
        (place / "in" / name).write_bytes(content)
        for folder in (place, *tmp_path.parents, tmp_path):  # the reader beside is nobody
            with suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o011)
        return Request(kind=kind, box=place, file=name, limits=Limits(**limits))

    return lay


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- with something else in the place of the reader


@pytest.fixture
def liar(changed_image: Build, setup: Setup) -> Callable[..., Containers]:
    def make(*, change: bool = False, version: str = devices.__version__) -> Containers:
        script = LIAR.replace("CHANGE", str(change)).replace("VERSION", repr(version))
        prefix = changed_image(script)
        return Containers(f"{prefix}/device-onnxruntime:{HARNESS_VERSION}", setup)

    return make


def test_no_lie_of_a_container_is_believed(
    liar: Callable[..., Containers], box: Box, tmp_path: Path
) -> None:
    reader = liar()
    for what, error, said in (
        ("garbage", NotAResult, "'I own this machine' where a result was expected"),
        ("ends", CheckLost, "ended with status 3"),
        ("talks", NotAResult, r"talks\.yaml does not stop talking"),
        ("up", NotAResult, "which nobody asked for"),
        ("link", NotAResult, "no plain file or folder"),
        ("much", NotAResult, "more than fits into its container"),
    ):
        asked = box(f"{what}.yaml", b"x")
        with pytest.raises(error, match=said) as caught:
            reader.check(asked, timeout_s=60)
        assert "\n" not in str(caught.value)
        assert files(asked.box) == {f"in/{what}.yaml": b"x"}, what
    assert not (tmp_path / "outside").exists()


def test_a_full_disk_of_the_site_is_nobodys_file_and_no_lost_container(
    liar: Callable[..., Containers], box: Box
) -> None:
    asked, before = box("gives.yaml", b"x"), resource.getrlimit(resource.RLIMIT_FSIZE)
    reader = liar()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(MeasurementFailed, match="cannot be kept: File too large"):
            reader.check(asked, timeout_s=60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_too_much_memory_is_told_who_sent_the_upload(
    liar: Callable[..., Containers], box: Box
) -> None:
    """By the wall behind the reader's own limits: its container is full."""
    with pytest.raises(BadModel, match=r"swells\.yaml needs more than 16 MiB of memory"):
        liar().check(box("swells.yaml", b"x", memory_mib=16), timeout_s=120)


def test_without_its_limits_a_container_gets_nothing(
    liar: Callable[..., Containers], box: Box
) -> None:
    with pytest.raises(NotConfined, match="NoNewPrivs"):
        liar(change=True).check(box("a.yaml", b"x"), timeout_s=60)


def test_what_cannot_read_now_lets_uploads_wait(
    liar: Callable[..., Containers], box: Box, setup: Setup, tmp_path: Path
) -> None:
    """With words for who runs the site; nobody's file is wrong."""
    asked = box("a.yaml", b"x")
    with pytest.raises(DeviceNotReady, match=r"harness '0\.0'.*docker/build\.sh validation"):
        liar(version="0.0").check(asked, timeout_s=60)
    nowhere = Containers("actnas-nobody/validation:1", setup)
    for ask in (nowhere.look, lambda: nowhere.check(asked, timeout_s=60)):
        with pytest.raises(DeviceNotReady, match=r"no image actnas-nobody/.*build\.sh validation"):
            ask()
    away = Setup(engine=Engine(f"unix://{tmp_path}/no.sock"))
    with pytest.raises(DeviceNotReady, match="no Docker engine answers: No such file"):
        Containers(validation.IMAGE, away).check(asked, timeout_s=60)


# ---- with the real one


@pytest.mark.slow
def test_a_good_model_is_the_same_in_both_modes(
    reader: Containers, beside: Server, box: Box, abd_checkpoint: Path
) -> None:
    content = abd_checkpoint.read_bytes()
    inside = reader.check(box("ABD.pt", content, memory_mib=1024), timeout_s=60)
    outside = beside.check(box("ABD.pt", content, memory_mib=1024), timeout_s=60)
    assert inside.facts == outside.facts
    assert (inside.facts.family, len(inside.facts.sites)) == ("YOLOv8n", 57)
    assert inside.held == "in a container, as user 65534, no network, no files, no processes"
    assert 0 < inside.usage.peak_mib < 600
    assert 0 < inside.usage.cpu_s < 30


@pytest.mark.slow
def test_a_data_set_comes_out_of_its_container_as_it_does_without_one(
    reader: Containers, beside: Server, box: Box, molecules: Path
) -> None:
    content, unpacked = zipped(molecules), []
    for ask in (reader, beside):
        asked = box("rings.zip", content, kind="data-set")
        found: Checked = ask.check(asked, timeout_s=60)
        unpacked.append((found.facts, files(asked.box / "tmp")))
    assert unpacked[0] == unpacked[1]
    assert "out/data.yaml" in unpacked[0][1]
    assert any(name.startswith("pictures/") for name in unpacked[0][1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(next(case for case in cases if case.sample), id=cases[0].file)
        for cases in KINDS
    ],
)
def test_a_hostile_upload_is_refused_in_the_same_words(
    reader: Containers, beside: Server, box: Box, case: Case
) -> None:
    canary = Path("/tmp/box/tmp/canary")  # inside
    told = []
    for ask in (reader, beside):
        asked = box(case.file, case.make(canary), kind=case.kind, cpu_s=case.cpu_s)
        with pytest.raises(UserError) as caught:
            ask.check(asked, timeout_s=60)
        told.append(str(caught.value))
        if ask is reader:
            assert list(files(asked.box)) == [f"in/{case.file}"]
    assert told[0] == told[1]


@pytest.mark.slow
def test_limits_of_memory_and_time_have_the_same_words(
    reader: Containers, beside: Server, box: Box, abd_checkpoint: Path
) -> None:
    for ask in (reader, beside):
        asked = box("ABD.pt", abd_checkpoint.read_bytes(), memory_mib=12)
        with pytest.raises(BadModel, match=r"^ABD\.pt needs more than 12 MiB of memory to be"):
            ask.check(asked, timeout_s=60)
        with pytest.raises(BadModel, match=r"^a\.pt takes more than 1 s to be checked$"):
            ask.check(box("a.pt", endless_hash(Path("x"))), timeout_s=1)


@pytest.mark.slow
def test_what_unpacks_to_more_than_its_container_holds_is_said(
    reader: Containers, box: Box
) -> None:
    """No entry is a bomb by its ratio; together they are larger than memory for files."""
    page = os.urandom(600) + bytes(65_000)
    fat = pack({f"images/train/{number}.png": page * 1200 for number in range(16)})
    assert len(fat) < 32 * 2**20
    with pytest.raises(BadDataSet, match=r"^fat\.zip needs more than 1024 MiB of room to be unp"):
        reader.check(box("fat.zip", fat, kind="data-set"), timeout_s=120)


@pytest.mark.slow
def test_inspect_of_a_running_container_shows_every_limit_and_its_death_is_worth_another_try(
    reader: Containers, engine: docker.DockerClient, setup: Setup, box: Box
) -> None:
    seen: list[dict[str, Any]] = []
    asked = box("a.pt", endless_hash(Path("x")))

    def strike() -> None:
        """Once the child reads."""
        for container in left(engine, setup):
            if not seen and _reads(engine, container):
                seen.append(engine.api.inspect_container(container))
                engine.api.kill(container, "SIGKILL")

    with pytest.raises(CheckLost, match="ended with status 137"):
        reader.check(asked, timeout_s=60, while_waiting=strike)
    (attrs,) = seen
    limits = limits_for(asked, 1, cpuset="0")
    assert (limits.memory_mib, limits.scratch_mib, limits.pids) == (4096 + 1024 + 1024, 1024, 64)
    held(attrs, memory_mib=4096 + 1024 + 1024, pids=64, scratch_mib=1024)
    assert containers.stated(attrs, limits) == []


@pytest.mark.slow
def test_nothing_outlives_a_killed_worker(
    reader: Containers, engine: docker.DockerClient, setup: Setup, box: Box
) -> None:
    """The container ends with the connection; what is left of it is swept by its label."""
    asked = box("a.pt", endless_hash(Path("x")))
    code = (
        "import sys\n"
        "from devices.transports.containers import Setup\n"
        "from engine.sandbox.container import Containers\n"
        "from engine.sandbox.task import Request\n"
        "reader = Containers(sys.argv[2], Setup(site=sys.argv[3], owner='him'))\n"
        "reader.check(Request.model_validate_json(sys.argv[1]), timeout_s=300)"
    )
    command = [sys.executable, "-c", code, asked.model_dump_json(), reader.image, setup.site]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (found := left(engine, setup)) or not _reads(engine, found[0]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 15
    while engine.api.inspect_container(found[0])["State"]["Running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert containers.sweep(setup, is_over=lambda owner: owner == "him") == 1


def _reads(engine: docker.DockerClient, container: str) -> bool:
    """Whether the child with the upload runs in it."""
    try:
        running = engine.api.top(container)["Processes"]
    except docker.errors.APIError:
        return False  # not started yet
    return sum("engine.sandbox" in line[-1] for line in running) > 2  # init's line, too
