"""The images of devices: one shape, one floor, one runtime, and what they were made of."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import docker
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
    installs = re.findall(r"pip install .*", "\n".join(lines))
    assert installs
    assert all(" -c /tmp/constraints.txt" in line for line in installs)
    for label in ("version", "revision", "title", "licenses"):
        assert any(f"org.opencontainers.image.{label}=" in line for line in lines), label


def test_every_runtime_has_an_image() -> None:
    wanted = {image_name(target, images=PREFIX) for target in targets.TARGETS}
    assert wanted <= {f"{PREFIX}/device-{name}:{HARNESS_VERSION}" for name in images.known()}


def test_a_revision_with_changes_is_not_published(tmp_path: Path) -> None:
    assert images.revision(tmp_path) == "unknown"

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    git("init", "-q")
    (tmp_path / "a").touch()
    git("add", "a")
    git("commit", "-q", "-m", "x")
    clean = images.revision(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    assert images.publishable(clean) == clean
    (tmp_path / "b").touch()
    assert images.revision(tmp_path) == f"{clean}-dirty"
    for found in (f"{clean}-dirty", "unknown"):
        with pytest.raises(images.NotBuilt, match="only a clean checkout is published"):
            images.publishable(found)
