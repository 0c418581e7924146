"""Having an upload read in a container: the same reader, confined twice, on any Docker engine.

One container reads one upload. It gets it over stdin and gives what it found over stdout; nothing
of it is believed. What it is held by is looked at before anything is sent, as with devices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import devices
from devices import frames
from devices.confinement import MIB, Limits
from devices.errors import BadRequest, MeasurementFailed, NotAResult
from devices.transports import containers
from devices.transports.containers import Setup
from devices.transports.conversation import Conversation
from devices.transports.outcome import Said
from engine.errors import EngineError
from engine.sandbox.client import (
    MAX_ANSWER,
    Checked,
    CheckLost,
    Progress,
    Waiting,
    objects,
    verdict,
)
from engine.sandbox.task import INPUT, OUTPUT, PICTURES, Request, needs_memory
from engine.uploads import KINDS

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["BUILD", "START_S", "Containers", "limits_for"]

BUILD = "docker/build.sh validation"
START_S = 120.0  # within which a container has imported what reading takes, and said hello
_BOX = Path("/tmp/box")  # inside
_IDLE_MIB = 1024  # of a reader that has read nothing, libraries' files included
_ROOM_MIB = 1024  # an upload and what is unpacked of it lie in memory: at least so much
_TIMES = 3  # ... and so many times the upload
_PIDS = 64
_MOST_FILES = 1_000_000


def limits_for(request: Request, size: int, *, cpuset: str = "") -> Limits:
    """What a container may use that reads ``size`` bytes under the limits of ``request``.

    The reader's own limits are met first, and have the better words; these are the wall behind.
    """
    room = max(_ROOM_MIB, _TIMES * size // MIB)
    memory = request.limits.memory_mib + _IDLE_MIB + room
    return Limits(memory_mib=memory, cpuset=cpuset, pids=_PIDS, room_mib=room)


@dataclass(frozen=True)
class Containers:
    """Reads uploads as :class:`engine.sandbox.client.Server` does, each in a container.

    They are of ``image``. Of ``setup`` the limits name the CPUs only: the rest follows from the
    upload.
    """

    image: str
    setup: Setup = field(default_factory=Setup)

    def look(self) -> None:
        """Whether uploads could be read now.

        Raises:
            DeviceNotReady: the engine does not answer, or has no such image.
        """
        with self.setup.engine.connect() as client, containers.named():
            containers.find(client, self.image, build=BUILD)

    def check(
        self,
        request: Request,
        *,
        timeout_s: float,
        while_waiting: Waiting | None = None,
        progress: Progress | None = None,
    ) -> Checked:
        """What the upload is that lies in the box of ``request``, where what it unpacks to comes.

        ``timeout_s`` counts from when the container is ready to read. ``while_waiting`` is called a
        few times a second.

        Raises:
            BadModel, BadDataSet: the upload cannot be used, or reading it takes too much.
            DeviceNotReady: the engine does not answer, has no image, or makes no container.
            NotConfined: the container lacks a limit; the upload was not sent to it.
            CheckLost, MeasurementFailed: container or engine were lost in the middle.
            engine.errors.EngineError: a fault of ours.
        """
        size = (request.box / INPUT / request.file).stat().st_size
        limits = limits_for(request, size, cpuset=self.setup.limits.cpuset)
        setup = replace(self.setup, limits=limits)
        most_s = START_S + timeout_s
        with setup.engine.connect() as client:
            with containers.named():
                image = containers.find(client, self.image, build=BUILD)
            with containers.confined(client, setup, image, timeout_s=most_s) as container:
                said = _converse(client, container, request, limits, timeout_s, while_waiting)
                try:
                    found = verdict(
                        request, objects(said.split(b"\n")), progress or (lambda share, text: None)
                    )
                except CheckLost:
                    if containers.ended(container)["OOMKilled"]:
                        raise _too_little(request) from None
                    raise
        found.where = "in a container"
        return found


def _converse(
    client: DockerClient,
    container: Container,
    request: Request,
    limits: Limits,
    timeout_s: float,
    while_waiting: Waiting | None,
) -> bytes:
    """What the reader in the container says."""
    bad = KINDS[request.kind]
    began = time.monotonic()

    def wait() -> None:
        if while_waiting is not None:
            while_waiting()
        now = time.monotonic()
        if line.greeted is None:
            if now - began > START_S:
                raise CheckLost(f"the container of the check did not begin within {START_S:g} s")
        elif now - line.greeted > timeout_s:
            raise bad(f"{request.file} takes more than {timeout_s:g} s to be checked")

    said = Said(None, who="reader of an upload")
    with Conversation[bytes].attached(client, container.id, said) as line:
        line.run(
            container, lambda line: _talk(line, request, limits, timeout_s), while_waiting=wait
        )
    if line.answer is not None:
        return line.answer
    if isinstance(line.error, BadRequest):  # of ours: an upload that cannot be read any more
        raise EngineError(str(line.error))
    if line.error is not None:
        raise line.error
    state = containers.ended(container)
    if state["OOMKilled"]:
        raise _too_little(request)
    raise CheckLost(f"the container of the check ended with status {state['ExitCode']}")


def _talk(line: Conversation[bytes], request: Request, limits: Limits, seconds: float) -> bytes:
    line.greet(limits, speaks=devices.__version__, build=BUILD)
    inside = request.model_copy(update={"box": _BOX, "confined": True})
    line.sends = True
    line.send("request", inside.model_dump_json().encode(), seconds=seconds + 5)
    line.send_file(request.box / INPUT / request.file)
    line.sends = False
    said = bytearray()
    folder = _Folder(request.box, room=limits.scratch_mib * MIB)
    while (head := line.head())["frame"] != "end":
        kind, size = head["frame"], head["bytes"]
        if kind == "said":
            if len(said) + size > MAX_ANSWER:
                raise NotAResult(f"the check of {request.file} does not stop talking")
            said += frames.body(line.read, size)
        elif kind in ("file", "folder"):
            folder.take(line, str(head.get("path")), size if kind == "file" else None)
        else:
            raise NotAResult(
                f"the check left {str(head.get('path'))[-80:]!r}, which is no plain file or folder"
            )
    return bytes(said)


@dataclass
class _Folder:
    """The box, where files of a container come to lie that may say anything of them."""

    box: Path
    room: int  # bytes
    files: int = 0

    def take(self, line: Conversation[bytes], name: str, size: int | None) -> None:
        """A file of ``size`` bytes, or a folder."""
        path = PurePosixPath(name)
        self.files += 1
        self.room -= size or 0
        inside = any(path.is_relative_to(top) for top in (OUTPUT, PICTURES))
        if not inside or ".." in path.parts or "\0" in name or self.files > _MOST_FILES:
            raise NotAResult(f"the check gives back {name[:80]!r}, which nobody asked for")
        if self.room < 0:
            raise NotAResult("the check gives back more than fits into its container")
        target = self.box / path
        try:
            if size is None:
                target.mkdir()
                return
            file = target.open("xb")
        except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
            raise NotAResult(f"the check gives back {name[:80]!r}: {error.strerror}") from None
        except OSError as error:
            raise _not_kept(error) from None
        with file:
            while size:
                piece = frames.body(line.read, min(size, MIB))
                size -= len(piece)
                try:
                    file.write(piece)
                    file.flush()
                except OSError as error:  # of this machine's disk: the way to the container is well
                    raise _not_kept(error) from None


def _not_kept(error: OSError) -> MeasurementFailed:
    return MeasurementFailed(f"what the upload unpacks to cannot be kept: {error.strerror}")


def _too_little(request: Request) -> Exception:
    return KINDS[request.kind](needs_memory(request))
