"""A device in a container: no network, no rights, nothing to write to but a little memory.

One container runs one job, baseline and candidates together. It gets its files over stdin and gives
its result over stdout, so that the engine may be on another machine, and it ends with the
connection that feeds it. Before anything is sent, its limits are read twice: as the engine states
them, and as the container finds them from inside.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from devices import hostlock, targets
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
from devices.transports import containers
from devices.transports.containers import Setup
from devices.transports.conversation import Answer, Conversation
from devices.transports.engines import cause_of
from devices.transports.outcome import Cancelled, Progress, Said, check, checked

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_POLL_S = 0.1
_LOOK_S = 1.0
_END_S = 5.0  # a container whose streams ended is gone after this time, or is ended


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
        with containers.named():
            image = containers.look_up(client, setup, target)
            container = containers.create(client, setup, target, image, timeout_s)
        try:
            with _lost():
                answer = _converse(client, container, job, setup, timeout_s, Said(progress), stop)
        finally:
            containers.remove(container)
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
    lacks = containers.stated(container.attrs, setup.limits)
    if lacks:
        raise NotConfined(f"the Docker engine made a container of which {lacks[0]}")
    with Conversation.attached(client, container.id, said) as conversation:
        try:
            container.start()
        except APIError as error:
            raise DeviceNotReady(
                f"the Docker engine starts no container: {error.explanation}"
            ) from None
        deadline, look = time.monotonic() + timeout_s, 0.0
        thread = threading.Thread(
            target=conversation.hold, args=(job, setup.limits, timeout_s), daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            said.deliver()
            check(stop)
            if conversation.sends and time.monotonic() > look:
                look = time.monotonic() + _LOOK_S
                container.reload()
                if not container.attrs["State"]["Running"]:
                    conversation.send_no_more()
            if time.monotonic() > deadline:
                raise TimedOut(f"no result within {timeout_s:g} s; the container was removed")
        said.deliver()
        if conversation.answer is not None:
            return conversation.answer
        raise _error(container, conversation, said, setup)


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


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise Crashed("the container was removed in the middle") from None
    except containers.ENGINE_ERRORS as error:
        raise MeasurementFailed(
            f"the Docker engine went away in the middle: {cause_of(error)}"
        ) from None
