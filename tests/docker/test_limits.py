"""Every limit of a container, as the engine states it and as it is found from inside."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from devices.confinement import Confinement, Limits, missing
from devices.errors import NotConfined
from devices.protocol import MeasureJob
from devices.transports import containers
from devices.transports import docker as transport
from devices.transports.containers import USER, Image, Setup, stated
from tests.devices import jobs
from tests.docker.conftest import held, left
from tests.docker.test_transport import ENDLESS

pytestmark = pytest.mark.docker

LIMITS = Limits(memory_mib=256, cpuset="0", pids=64)
FULL: dict[str, Any] = {
    "user": USER,
    "network_mode": "none",
    "read_only": True,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=128m"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 64,
    "mem_limit": "256m",
    "memswap_limit": "256m",
    "cpuset_cpus": "0",
    "init": True,
}


def test_inspect_of_a_running_container_shows_every_limit(
    engine: docker.DockerClient, onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    """Of one that measures: what an administrator would see."""
    job: MeasureJob = jobs.job(tmp_path, "cpu-onnxruntime-fp32", settings=ENDLESS)
    measures = threading.Event()
    seen: list[dict[str, Any]] = []

    def look(share: float, text: str) -> None:
        if text.startswith("block") and not seen:
            seen.extend(engine.api.inspect_container(found) for found in left(engine, setup))
            measures.set()

    with pytest.raises(Exception, match="cancelled"):
        transport.run(job, setup=setup, timeout_s=60, progress=look, cancelled=measures.is_set)
    (attrs,) = seen
    held(attrs, memory_mib=1024, pids=256, scratch_mib=512)


def test_a_container_with_every_limit_lacks_none(
    engine: docker.DockerClient, onnxruntime_image: str
) -> None:
    assert seen(engine, onnxruntime_image, FULL) == ([], [])


@pytest.mark.parametrize(
    ("without", "outside", "inside"),
    [
        ({"user": "0:0"}, "the user is another", "it runs as root"),
        ({"network_mode": "host"}, "the network is not none", "it has a network"),
        ({"read_only": False}, "the root is not read-only", "its root can be written to"),
        ({"tmpfs": {}}, "the scratch folder is no tmpfs", "its scratch folder has no limit"),
        ({"cap_drop": []}, "capabilities are not dropped", "it has capabilities"),
        ({"security_opt": []}, "no-new-privileges is not set", "it may gain privileges"),
        ({"pids_limit": None}, "the limit of processes is not set", "its processes are not"),
        (
            {"mem_limit": None, "memswap_limit": None},
            "the memory limit is not set",
            "its memory limit is none",
        ),
        ({"memswap_limit": "512m"}, "the swap limit is not set", "it may swap (256 MiB)"),
        ({"init": False}, "there is no init", "its process 1 is"),
        ({"cpuset_cpus": None}, "the cpuset is not set", "it may use the CPUs"),
        ({"cap_add": ["NET_RAW"]}, "capabilities are added", "it has capabilities"),
        ({"privileged": True}, "it is privileged", "it has capabilities"),
        (
            {"volumes": {"actnas-limits": {"bind": "/data"}}},
            "something of the host's is mounted",
            "it can write to /data",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_limit_that_lacks_is_named_from_both_sides(
    engine: docker.DockerClient,
    onnxruntime_image: str,
    without: dict[str, Any],
    outside: str,
    inside: str,
) -> None:
    states, finds = seen(engine, onnxruntime_image, FULL | without)
    assert outside in states
    assert any(phrase.startswith(inside) for phrase in finds), finds


def test_a_container_that_the_engine_made_otherwise_is_not_started(
    engine: docker.DockerClient,
    onnxruntime_image: str,
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def without_init(client: docker.DockerClient, setup: Setup, image: Image, *_: object) -> object:
        made.append(client.containers.create(image.id, ["--stdio"], **(FULL | {"init": False})))
        return made[-1]

    monkeypatch.setattr(containers, "_create", without_init)
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32")
    with pytest.raises(NotConfined, match="made a container of which there is no init"):
        transport.run(job, setup=replace(setup, limits=LIMITS), timeout_s=30)
    (container,) = made
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(container.id)


def seen(
    engine: docker.DockerClient, image: str, options: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """What a container lacks of LIMITS: (as the engine states, as it finds itself)."""
    code = "from devices import confinement; print(confinement.read().model_dump_json())"
    container = engine.containers.create(image, entrypoint=["python", "-c", code], **options)
    try:
        container.start()
        states = stated(engine.api.inspect_container(container.id), LIMITS)
        assert container.wait(timeout=60)["StatusCode"] == 0, container.logs()
        found = Confinement.model_validate_json(container.logs(stdout=True, stderr=False))
    finally:
        container.remove(force=True, v=True)
        for name in options.get("volumes", {}):
            engine.volumes.get(name).remove()
    return states, missing(found, LIMITS)
