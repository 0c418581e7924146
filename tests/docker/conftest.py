"""An engine, and images built on the base image that this machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import BuildError

from tests import machine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine that the environment names."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def onnxruntime_image(engine: docker.DockerClient) -> str:
    """The tag of the device image for ONNX Runtime, built with the layers of earlier builds."""
    tag = "actnas/device-onnxruntime:test"
    try:
        engine.images.build(
            path=str(ROOT),
            dockerfile="docker/targets/onnxruntime/Dockerfile",
            tag=tag,
            buildargs={"BASE_IMAGE": machine.BASE_IMAGE},
            network_mode="host",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        lines = [line["stream"] for line in error.build_log if "stream" in line]
        pytest.fail(f"{error}\n{''.join(lines[-40:])}")
    return tag
