"""Confined containers on an engine: how they are made, what the engine says of them, their end.

For measurements, and for who else has something untrusted done: one container does one thing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from devices import HARNESS_VERSION, confinement
from devices.confinement import Limits
from devices.errors import Crashed, DeviceNotReady, MeasurementFailed, NotConfined
from devices.targets import Target
from devices.transports.engines import Engine, cause_of

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

log = logging.getLogger(__name__)

USER = "65534:65534"
REVISION_LABEL = "org.opencontainers.image.revision"
ENGINE_ERRORS = (DockerException, RequestException)
_SITE, _OWNER, _LIMIT = "actnas.site", "actnas.owner", "actnas.limit"
_GRACE_S = 120.0
_POLL_S = 0.1
_END_S = 5.0  # a container whose streams ended is gone after this time, or is ended
# (engine, site) -> container -> when this process first saw it, by a clock that nobody sets
_seen: dict[tuple[Engine, str], dict[str, float]] = {}


@dataclass(frozen=True)
class Setup:
    """Where containers run, and whose they are.

    ``images`` is the first part of the images' names. ``site`` and ``owner`` (a process) go into
    labels, by which :func:`sweep` finds what a killed process left.
    """

    engine: Engine = field(default_factory=Engine)
    limits: Limits = field(default_factory=Limits)
    images: str = "actnas"
    site: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Image:
    """An image on an engine: what a result was measured with."""

    name: str
    id: str
    revision: str


def image_name(target: Target, *, images: str) -> str:
    """``actnas/device-openvino:<version>``: the runtime's image, of this harness."""
    return f"{images}/device-{target.runtime.replace('_', '-')}:{HARNESS_VERSION}"


def look(setup: Setup, target: Target) -> Image:
    """The image that would serve ``target``.

    Raises:
        DeviceNotReady: the engine does not answer, or has no such image.
    """
    with setup.engine.connect() as client, named():
        return look_up(client, setup, target)


def sweep(setup: Setup, *, is_over: Callable[[str], bool]) -> int:
    """Removes the site's containers whose owner ``is_over``, or whose time is; how many.

    Their time counts from when this process first saw them: clocks of other machines may be wrong,
    and any may be set.

    Raises:
        DeviceNotReady: the engine does not answer.
    """
    count, now, place = 0, time.monotonic(), (setup.engine, setup.site)
    with setup.engine.connect() as client, named():
        ours = {"label": f"{_SITE}={setup.site}"}
        found = client.containers.list(all=True, filters=ours, ignore_removed=True)
        known = _seen.get(place, {})
        seen = _seen[place] = {one.id: known.get(one.id, now) for one in found}
        for container in found:
            labels = container.labels
            late = now - seen[container.id] > float(labels.get(_LIMIT, "0")) + _GRACE_S
            if late or is_over(labels.get(_OWNER, "")):
                remove(container)
                count += 1
    return count


def look_up(client: DockerClient, setup: Setup, target: Target) -> Image:
    """:func:`look` with a client that is there."""
    return find(client, image_name(target, images=setup.images), build="make images")


def find(client: DockerClient, name: str, *, build: str) -> Image:
    """The image called ``name``; ``build`` is the command that makes it.

    Raises:
        DeviceNotReady: the engine has none.
    """
    try:
        found = client.images.get(name)
    except ImageNotFound:
        raise DeviceNotReady(
            f"the Docker engine has no image {name}: build it there ({build})"
        ) from None
    return Image(name, found.id, found.labels.get(REVISION_LABEL, "unknown"))


@contextmanager
def confined(
    client: DockerClient, setup: Setup, image: Image, *, timeout_s: float, gpu: bool = False
) -> Iterator[Container]:
    """A container for one thing, not started yet, with every limit as the engine states it.

    It is removed with the block. ``timeout_s``, and a while, after it was made :func:`sweep` takes
    it for left behind.

    Raises:
        DeviceNotReady: the engine cannot make it. NotConfined: it lacks a limit. Crashed,
            MeasurementFailed: it, or the engine, was gone within the block.
    """
    with named():
        container = _create(client, setup, image, timeout_s, gpu)
    try:
        with _lost():
            lacks = stated(container.attrs, setup.limits)
            if lacks:
                raise NotConfined(f"the Docker engine made a container of which {lacks[0]}")
            yield container
    finally:
        remove(container)


def ended(container: Container) -> dict[str, Any]:
    """The state of a container whose streams ended; one that still runs then is left to removal."""
    deadline = time.monotonic() + _END_S
    while True:
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        if not state["Running"] or time.monotonic() > deadline:
            return state
        time.sleep(_POLL_S)


def _create(
    client: DockerClient, setup: Setup, image: Image, timeout_s: float, gpu: bool
) -> Container:
    limits = setup.limits
    return client.containers.create(
        image.id,
        ["--stdio"],
        stdin_open=True,
        user=USER,
        network_mode="none",
        read_only=True,
        tmpfs={confinement.SCRATCH: f"rw,nosuid,nodev,noexec,size={limits.scratch_mib}m"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=limits.pids,
        mem_limit=f"{limits.memory_mib}m",
        memswap_limit=f"{limits.memory_mib}m",  # memory and swap together: no swap
        cpuset_cpus=limits.cpuset or None,
        init=True,
        log_config={"Type": "none", "Config": {}},  # what it writes must not fill the host's disk
        device_requests=[{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}] if gpu else None,
        labels={
            _SITE: setup.site,
            _OWNER: setup.owner,
            _LIMIT: f"{timeout_s:.0f}",
        },
    )


def stated(attrs: dict[str, Any], limits: Limits) -> list[str]:
    """What the engine's own description of a container lacks of ``limits``, a phrase each."""
    host, config = attrs.get("HostConfig", {}), attrs.get("Config", {})
    memory = limits.memory_mib * confinement.MIB
    options = host.get("SecurityOpt") or []
    shared = [name for name in ("PidMode", "IpcMode", "UTSMode") if host.get(name) == "host"]
    outside = [name for name in ("Binds", "Mounts", "Devices", "VolumesFrom") if host.get(name)]
    checks = (
        (host.get("NetworkMode") == "none", "the network is not none"),
        (host.get("ReadonlyRootfs") is True, "the root is not read-only"),
        (list(host.get("Tmpfs") or {}) == [confinement.SCRATCH], "the scratch folder is no tmpfs"),
        (host.get("CapDrop") == ["ALL"], "capabilities are not dropped"),
        (not host.get("CapAdd"), "capabilities are added"),
        (host.get("Privileged") is False, "it is privileged"),
        (
            any(option.startswith("no-new-privileges") for option in options),
            "no-new-privileges is not set",
        ),
        (host.get("PidsLimit") == limits.pids, "the limit of processes is not set"),
        (host.get("Memory") == memory, "the memory limit is not set"),
        (host.get("MemorySwap") == memory, "the swap limit is not set"),
        (host.get("CpusetCpus", "") == limits.cpuset, "the cpuset is not set"),
        (host.get("Init") is True, "there is no init"),
        (config.get("User") == USER, "the user is another"),
        (not shared, f"the host's own is shared: {', '.join(shared)}"),
        (not outside and not attrs.get("Mounts"), "something of the host's is mounted"),
    )
    return [phrase for holds, phrase in checks if not holds]


def remove(container: Container) -> None:
    """Ends and removes it; what cannot be removed now is left to :func:`sweep`."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except ENGINE_ERRORS as error:
        log.warning("container %s is left to the sweep: %s", container.id[:12], cause_of(error))


@contextmanager
def named() -> Iterator[None]:
    """Before a job is sent: what the engine refuses keeps the job waiting."""
    try:
        yield
    except APIError as error:
        said = " ".join(str(error.explanation or error).split())[:200]
        raise DeviceNotReady(f"the Docker engine refuses: {said}") from None
    except ENGINE_ERRORS as error:
        raise DeviceNotReady(f"no Docker engine answers: {cause_of(error)}") from None


@contextmanager
def _lost() -> Iterator[None]:
    """Once a container is there: what is gone in the middle is worth another try."""
    try:
        yield
    except NotFound:
        raise Crashed("the container was removed in the middle") from None
    except ENGINE_ERRORS as error:
        raise MeasurementFailed(
            f"the Docker engine went away in the middle: {cause_of(error)}"
        ) from None
