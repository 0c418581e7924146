"""An engine, and images built on the base image that this machine has."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from devices import HARNESS_VERSION
from devices.confinement import Limits
from devices.transports.containers import Setup
from tests import machine
from tools import images as builder

PREFIX = "actnas-test"
Build = Callable[[str], str]


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine that the environment names."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Build:
    """``image("openvino")``: the name of that device image, built with the layers of before."""
    built: dict[str, str] = {}
    revision = builder.revision()

    def build(name: str) -> str:
        if name not in built:
            try:
                built[name], _ = builder.build(
                    engine, name, base=machine.BASE_IMAGE, prefix=PREFIX, revision=revision
                )
            except builder.NotBuilt as error:
                pytest.fail(str(error))
        return built[name]

    return build


@pytest.fixture(scope="session")
def onnxruntime_image(image: Build) -> str:
    return image("onnxruntime")


@pytest.fixture
def changed_image(engine: docker.DockerClient, onnxruntime_image: str) -> Iterator[Build]:
    """``changed_image(script)``: PREFIX of a device image that runs a Python script instead."""
    names: list[str] = []

    def build(script: str) -> str:
        prefix = f"actnas-{uuid.uuid4().hex[:8]}"
        names.append(f"{prefix}/device-onnxruntime:{HARNESS_VERSION}")
        recipe = f'FROM {onnxruntime_image}\nCOPY x.py /\nENTRYPOINT ["python", "/x.py"]\n'
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for path, text in (("Dockerfile", recipe), ("x.py", script)):
                info = tarfile.TarInfo(path)
                info.size, info.mode = len(text), 0o644
                tar.addfile(info, io.BytesIO(text.encode()))
        context.seek(0)
        engine.images.build(fileobj=context, custom_context=True, tag=names[-1], rm=True)
        return prefix

    yield build
    for name in names:
        engine.images.remove(name, force=True)


@pytest.fixture
def setup(engine: docker.DockerClient) -> Iterator[Setup]:
    """Containers of this test, on its own images; none is left."""
    mine = Setup(images=PREFIX, limits=Limits(cpuset="0", memory_mib=1024), site=uuid.uuid4().hex)
    yield mine
    assert left(engine, mine) == []


def left(engine: docker.DockerClient, setup: Setup) -> list[str]:
    """The ids of the site's containers."""
    ours = {"label": f"actnas.site={setup.site}"}
    return [found.id for found in engine.containers.list(all=True, filters=ours)]


def held(attrs: dict[str, Any], *, memory_mib: int, pids: int, scratch_mib: int) -> None:
    """Every limit of a container that runs on CPU 0, as inspect shows it."""
    host = attrs["HostConfig"]
    assert attrs["State"]["Running"]
    assert attrs["Config"]["User"] == "65534:65534"
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Init"]) == ("none", True, True)
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["MemorySwap"]) == (memory_mib * 2**20, memory_mib * 2**20)
    assert (host["CpusetCpus"], host["PidsLimit"]) == ("0", pids)
    assert host["Tmpfs"] == {"/tmp": f"rw,nosuid,nodev,noexec,size={scratch_mib}m"}
    assert (host["Privileged"], host["Binds"], attrs["Mounts"]) == (False, None, [])
    assert host["LogConfig"]["Type"] == "none"
