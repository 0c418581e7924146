"""A device in a container: no network, no rights, nothing to write to but a little memory.

One container runs one job, baseline and candidates together. It gets its files over stdin and gives
its result over stdout, so that the engine may be on another machine, and it ends with the
connection that feeds it. Before anything is sent, its limits are read twice: as the engine states
them, and as the container finds them from inside.
"""

from __future__ import annotations

import signal
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from devices import HARNESS_VERSION, hostlock, targets
from devices.errors import Crashed, DeviceError, NotAResult, OutOfMemory, TimedOut
from devices.protocol import MeasureJob, MeasureResult
from devices.transports import containers, exchange
from devices.transports.containers import Setup
from devices.transports.conversation import Conversation
from devices.transports.exchange import Answer
from devices.transports.outcome import Cancelled, Progress, Said, check, checked

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


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
        gpu = target.hardware == "gpu"
        with containers.confined(client, setup, image, timeout_s=timeout_s, gpu=gpu) as container:
            answer = _converse(client, container, job, setup, timeout_s, Said(progress), stop)
    result = checked(answer.result, job)
    result.provenance.machine["container"] = {
        "image": image.name,
        "image_id": image.id,
        "revision": image.revision,
        "harness": HARNESS_VERSION,
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
    deadline = time.monotonic() + timeout_s

    def wait() -> None:
        check(stop)
        if time.monotonic() > deadline:
            raise TimedOut(f"no result within {timeout_s:g} s; the container was removed")

    with Conversation[Answer].attached(client, container.id, said) as line:
        line.run(
            container,
            lambda line: exchange.measure(line, job, setup.limits, timeout_s),
            while_waiting=wait,
        )
        if line.answer is not None:
            return line.answer
        raise _error(container, line, said, setup)


def _error(
    container: Container, line: Conversation[Answer], said: Said, setup: Setup
) -> DeviceError:
    """Why there is no result."""
    if line.error is not None:
        return line.error
    state = containers.ended(container)
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
