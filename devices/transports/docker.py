"""A device in a container: no network, no rights, nothing to write to but a little memory.

One container runs one job, baseline and candidates together. It gets its files over stdin and gives
its result over stdout, so that the engine may be on another machine, and it ends with the
connection that feeds it. Before anything is sent, its limits are read twice: as the engine states
them, and as the container finds them from inside.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from devices import HARNESS_VERSION, confinement, hostlock, targets
from devices.confinement import Limits
from devices.errors import (
    Crashed,
    DeviceError,
    DeviceNotReady,
    MeasurementFailed,
    NotAResult,
    NotConfined,
    OutOfMemory,
    TimedOut,
)
from devices.protocol import MeasureJob, MeasureResult
from devices.targets import Target
from devices.transports.conversation import Answer, Conversation
from devices.transports.engines import Engine, cause_of
from devices.transports.outcome import Cancelled, Progress, Said, check, checked

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

log = logging.getLogger(__name__)

USER = "65534:65534"
HARNESS_LABEL = "org.opencontainers.image.version"
REVISION_LABEL = "org.opencontainers.image.revision"
_SITE, _OWNER, _ENDS = "actnas.site", "actnas.owner", "actnas.ends"
_POLL_S = 0.1
_END_S = 5.0  # a container whose streams ended is gone after this time, or is ended
_GRACE_S = 120.0
_ENGINE_ERRORS = (DockerException, RequestException)


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
    """``actnas/device-openvino:1``: the runtime's image, of this harness."""
    return f"{images}/device-{target.runtime.replace('_', '-')}:{HARNESS_VERSION}"


def look(setup: Setup, target: Target) -> Image:
    """The image that would serve ``target``.

    Raises:
        DeviceNotReady: the engine does not answer, or has no such image.
    """
    with setup.engine.connect() as client, _named():
        return _look(client, setup, target)


def run(
    job: MeasureJob,
    *,
    setup: Setup,
    timeout_s: float,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> MeasureResult:
    """Runs ``job`` in a container of its own, which is removed whatever happens.

    A measured target has this host alone meanwhile if the engine is on it. ``timeout_s`` counts
    from the start of the container; ``progress`` and ``cancelled`` are as those of the local
    transport.

    Raises:
        BadRequest, Unsupported: as the device said.
        DeviceNotReady: the engine does not answer, has no image, or cannot make the container.
        NotConfined: the container lacks a limit; nothing was sent to it.
        MeasurementFailed: OutOfMemory, TimedOut, Crashed, NotAResult, cancelled, engine lost.
    """
    stop = cancelled or (lambda: False)
    target = targets.get(job.target)
    alone = target.kind == "measured" and setup.engine.is_local
    lock = hostlock.measuring(while_waiting=lambda: check(stop)) if alone else nullcontext()
    with lock, setup.engine.connect() as client:
        check(stop)
        with _named():
            image = _look(client, setup, target)
            container = _create(client, setup, target, image, timeout_s)
        try:
            with _lost():
                answer = _converse(client, container, job, setup, timeout_s, Said(progress), stop)
        finally:
            _remove(container)
    result = checked(answer.result, job)
    result.provenance.machine["container"] = {
        "image": image.name,
        "image_id": image.id,
        "revision": image.revision,
        "harness": answer.harness,
        "engine": setup.engine.scheme,
        "memory_mib": setup.limits.memory_mib,
        "cpuset": setup.limits.cpuset,
        "peak_mib": answer.peak_mib,
        "confinement": answer.confinement.model_dump(),
    }
    return result


def sweep(setup: Setup, *, is_over: Callable[[str], bool]) -> int:
    """Removes the site's containers whose owner ``is_over``, or whose time is; how many.

    Raises:
        DeviceNotReady: the engine does not answer.
    """
    count = 0
    with setup.engine.connect() as client, _named():
        ours = {"label": f"{_SITE}={setup.site}"}
        for container in client.containers.list(all=True, filters=ours, ignore_removed=True):
            labels = container.labels
            late = time.time() > float(labels.get(_ENDS, "0")) + _GRACE_S
            if late or is_over(labels.get(_OWNER, "")):
                _remove(container)
                count += 1
    return count


def _look(client: DockerClient, setup: Setup, target: Target) -> Image:
    name = image_name(target, images=setup.images)
    try:
        found = client.images.get(name)
    except ImageNotFound:
        raise DeviceNotReady(
            f"the Docker engine has no image {name}: build it there (make images)"
        ) from None
    return Image(name, found.id, found.labels.get(REVISION_LABEL, "unknown"))


def _create(
    client: DockerClient, setup: Setup, target: Target, image: Image, timeout_s: float
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
        device_requests=[{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
        if target.hardware == "gpu"
        else None,
        labels={
            _SITE: setup.site,
            _OWNER: setup.owner,
            _ENDS: f"{time.time() + timeout_s:.0f}",
        },
    )


def _converse(
    client: DockerClient,
    container: Container,
    job: MeasureJob,
    setup: Setup,
    timeout_s: float,
    said: Said,
    stop: Cancelled,
) -> Answer:
    """What the container answers to the job."""
    lacks = stated(container.attrs if container.attrs.get("HostConfig") else {}, setup.limits)
    if lacks:
        raise NotConfined(f"the Docker engine made a container of which {lacks[0]}")
    with Conversation.attached(client, container.id, said) as conversation:
        try:
            container.start()
        except APIError as error:
            raise DeviceNotReady(
                f"the Docker engine starts no container: {error.explanation}"
            ) from None
        deadline = time.monotonic() + timeout_s
        thread = threading.Thread(
            target=conversation.hold, args=(job, setup.limits, timeout_s), daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            said.deliver()
            check(stop)
            if time.monotonic() > deadline:
                raise TimedOut(f"no result within {timeout_s:g} s; the container was removed")
        said.deliver()
        if conversation.answer is not None:
            return conversation.answer
        raise _error(container, conversation, said, setup)


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


def _error(
    container: Container, conversation: Conversation, said: Said, setup: Setup
) -> DeviceError:
    """Why there is no result."""
    if conversation.error is not None:
        return conversation.error
    state = _ended(container)
    if state["OOMKilled"]:
        return OutOfMemory(
            f"the job needs more than the {setup.limits.memory_mib} MiB of memory that the device "
            "gives: choose a smaller image size or model, or another device"
        )
    if (named := said.error()) is not None:
        return named
    status = state["ExitCode"]
    if status == 0:
        return NotAResult("the container ended without a result")
    if status == 128 + signal.SIGALRM:
        return TimedOut("the container ended itself at its deadline")
    if status == 128 + signal.SIGKILL:
        return Crashed("the container was killed")
    if 128 < status < 128 + 65:
        return said.ended(128 - status)
    return said.ended(status)


def _ended(container: Container) -> dict[str, Any]:
    """The state of a container whose streams ended; one that still runs is ended."""
    deadline = time.monotonic() + _END_S
    while True:
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        if not state["Running"] or time.monotonic() > deadline:
            return state
        time.sleep(_POLL_S)


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except _ENGINE_ERRORS as error:
        log.warning("container %s is left to the sweep: %s", container.id[:12], cause_of(error))


@contextmanager
def _named() -> Iterator[None]:
    """Before a job is sent: what the engine refuses keeps the job waiting."""
    try:
        yield
    except APIError as error:
        said = " ".join(str(error.explanation or error).split())[:200]
        raise DeviceNotReady(f"the Docker engine refuses: {said}") from None
    except _ENGINE_ERRORS as error:
        raise DeviceNotReady(f"no Docker engine answers: {cause_of(error)}") from None


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise Crashed("the container was removed in the middle") from None
    except _ENGINE_ERRORS as error:
        raise MeasurementFailed(
            f"the Docker engine went away in the middle: {cause_of(error)}"
        ) from None
