"""The images of devices: one shape, one floor, one runtime, and what they were made of."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import httpx
import pytest

from devices import HARNESS_VERSION, targets
from devices.transports.containers import image_name
from tests.docker.conftest import PREFIX
from tools import images

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.docker
def test_the_image_holds_one_floor_and_one_runtime(
    engine: docker.DockerClient, onnxruntime_image: str
) -> None:
    probe = (
        "import importlib.util, os\n"
        "names = ('engine', 'webapp', 'docker', 'torch', 'openvino', 'onnxruntime')\n"
        "print([name for name in names if importlib.util.find_spec(name)], os.getuid())"
    )
    said = engine.containers.run(
        onnxruntime_image, entrypoint=["python", "-c", probe], network_mode="none", remove=True
    )
    assert said.decode().strip() == "['onnxruntime'] 65534"
    labels = engine.images.get(onnxruntime_image).labels
    assert labels["org.opencontainers.image.version"] == HARNESS_VERSION
    assert labels["org.opencontainers.image.revision"] == images.revision()


@pytest.mark.parametrize("name", images.known())
def test_every_dockerfile_has_the_standard_shape(name: str) -> None:
    """They differ in what pip installs, and in what that needs."""
    lines = (images.TARGETS / name / "Dockerfile").read_text().splitlines()
    standard = [
        "ARG BASE_IMAGE=python:3.11-slim",
        "FROM ${BASE_IMAGE}",
        "COPY constraints.txt /tmp/constraints.txt",
        "RUN python3 -m venv /opt/device \\",
        "COPY devices /opt/app/devices",
        "WORKDIR /opt/app",
        "USER 65534:65534",
        "ARG HARNESS=unknown",
        "ARG REVISION=unknown",
        'ENTRYPOINT ["python", "-m", "devices"]',
    ]
    assert [line for line in lines if line in standard] == standard
    text = "\n".join(lines)
    installs = re.findall(r"pip install .*", text.replace("\\\n", ""))
    assert installs
    assert all(" -c /tmp/constraints.txt" in line for line in installs)
    for label in ("version", "revision", "title", "licenses"):
        assert any(f"org.opencontainers.image.{label}=" in line for line in lines), label


def test_every_runtime_has_an_image() -> None:
    wanted = {image_name(target, images=PREFIX) for target in targets.TARGETS}
    assert wanted <= {f"{PREFIX}/device-{name}:{HARNESS_VERSION}" for name in images.known()}


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout with one image, ``tiny``."""
    root = tmp_path / "checkout"
    recipe = root / "docker" / "targets" / "tiny" / "Dockerfile"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(
        "FROM scratch\nCOPY docker /docker\nARG HARNESS\nARG REVISION\n"
        'LABEL org.opencontainers.image.version="${HARNESS}" '
        'org.opencontainers.image.revision="${REVISION}"\n'
    )
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "x")
    monkeypatch.setattr(images, "ROOT", root)
    monkeypatch.setattr(images, "TARGETS", root / "docker" / "targets")
    return root


def test_a_revision_with_changes_is_not_published(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused before anything is built: the engine that is named does not even exist."""
    clean = images.revision(checkout)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    assert images.publishable(clean) == clean
    (checkout / "b").touch()
    assert images.revision(checkout) == f"{clean}-dirty"
    nowhere = f"unix://{tmp_path}/engine.sock"
    assert images.main(["tiny", "--publish", "--engine", nowhere]) == 1
    only = "only a clean checkout is published; commit first"
    assert capsys.readouterr().err == f"images: revision {clean}-dirty: {only}\n"
    (tmp_path / "no-git").mkdir()
    unknown = images.revision(tmp_path / "no-git")
    with pytest.raises(images.NotBuilt, match=f"revision unknown: {only}"):
        images.publishable(unknown)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """host:port of a registry of images on this machine."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": place},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))  # which YAML can read
    process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "registry.yml")])
    try:
        deadline = time.monotonic() + 30
        while not _answers(place):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield place
    finally:
        process.kill()
        process.wait()


def _answers(place: str) -> bool:
    try:
        return httpx.get(f"http://{place}/v2/").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.docker  # .ci/run installs the registry, and lets no docker test be skipped
@pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="apt-get install docker-registry"
)
def test_a_published_image_says_what_it_was_made_of(
    engine: docker.DockerClient, checkout: Path, registry: str
) -> None:
    tag = f"{registry}/ours/device-tiny:{HARNESS_VERSION}"
    try:
        assert images.main(["tiny", "--publish", "--prefix", f"{registry}/ours"]) == 0
        engine.images.remove(tag)
        labels = engine.images.pull(tag).labels
        assert labels["org.opencontainers.image.version"] == HARNESS_VERSION
        assert labels["org.opencontainers.image.revision"] == images.revision(checkout)
    finally:
        engine.images.remove(tag, force=True)
    nobody = "127.0.0.1:1/ours"
    try:
        assert images.main(["tiny", "--publish", "--prefix", nobody]) == 1
    finally:
        engine.images.remove(f"{nobody}/device-tiny:{HARNESS_VERSION}", force=True)


@pytest.mark.docker
def test_an_image_that_fails_leaves_the_others_to_be_made(
    engine: docker.DockerClient, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = checkout / "docker" / "targets" / "broken" / "Dockerfile"
    broken.parent.mkdir()
    broken.write_text("FROM scratch\nCOPY nothing /nothing\n")
    tag = f"{PREFIX}/device-tiny:{HARNESS_VERSION}"
    try:
        assert images.main(["--all", "--prefix", PREFIX]) == 1
        said = capsys.readouterr()
        assert f"images: {PREFIX}/device-broken:{HARNESS_VERSION}: " in said.err
        assert said.out.startswith(f"{tag}  ")
    finally:
        engine.images.remove(tag, force=True)
