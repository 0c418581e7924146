"""Talking with a device container through the engine: files and job in, result out."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from devices import HARNESS_VERSION, confinement, frames
from devices.confinement import Confinement, Limits
from devices.errors import BadRequest, DeviceError, DeviceNotReady, NotAResult, NotConfined
from devices.protocol import File, MeasureJob
from devices.transports.outcome import Said

if TYPE_CHECKING:
    from docker import DockerClient

_STDOUT, _STDERR = 1, 2
_LONGEST_LINE = 64 << 10


@dataclass(frozen=True)
class Answer:
    """The bytes of a result, and who gave it."""

    result: bytes
    harness: str
    peak_mib: int | None
    confinement: Confinement


class Conversation:
    """One job's exchange with a container.

    It is held on a thread of its own, step by step: a TLS socket must not be read and written at
    once. Afterwards there is an ``answer``, or an ``error``, or the container ended before either.
    """

    answer: Answer | None = None
    error: DeviceError | None = None
    sends = False

    def __init__(self, stream: socket.socket, said: Said) -> None:
        self._stream = stream
        self._said = said
        self._out = bytearray()
        self._err = bytearray()

    @classmethod
    @contextmanager
    def attached(cls, client: DockerClient, container: str, said: Said) -> Iterator[Conversation]:
        """Through the streams of a container that has not been started yet."""
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        # Of a unix socket the client hands out the file around it; it owns the socket, so keep it.
        held: Any = client.api.attach_socket(container, params=wanted)
        stream: socket.socket = getattr(held, "_sock", held)
        stream.settimeout(None)
        if stream.family != socket.AF_UNIX:
            _keep_alive(stream)
        try:
            yield cls(stream, said)
        finally:
            with suppress(OSError):  # the engine has closed it
                stream.shutdown(socket.SHUT_RDWR)
            held.close()

    def send_no_more(self) -> None:
        """For when the container has ended meanwhile: engines take half a minute to notice."""
        secret = isinstance(self._stream, ssl.SSLSocket)  # such a stream ends in both directions
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR if secret else socket.SHUT_WR)

    def hold(self, job: MeasureJob, limits: Limits, seconds: float) -> None:
        """The whole exchange."""
        try:
            self.answer = self._hold(job, limits, seconds)
        except frames.NoFrame as error:
            if error.ended:
                return  # its exit status says more
            self.error = NotAResult(f"the container wrote {error} where a result was expected")
        except DeviceError as error:
            self.error = error
        except OSError:
            # The container, or its engine, is gone: who asks for its state hears which. One that
            # ended before it took everything in may have said why.
            with suppress(OSError):
                while self._more():
                    pass

    def _hold(self, job: MeasureJob, limits: Limits, seconds: float) -> Answer:
        hello, content = self._frame("hello")
        harness = str(hello.get("harness"))
        if harness != HARNESS_VERSION:
            raise DeviceNotReady(
                f"the image holds harness {harness[:20]!r}, {HARNESS_VERSION!r} is needed: build it"
                " anew (make images)"
            )
        try:
            found = Confinement.model_validate_json(content)
        except ValidationError as error:
            raise NotAResult(f"the container said no limits: {_first(error)}") from None
        lacks = confinement.missing(found, limits)
        if lacks:
            raise NotConfined(f"the container is not confined: {lacks[0]}")
        self.sends = True
        self._send(job, seconds)
        self.sends = False
        head, result = self._frame("result")
        peak = head.get("peak_mib")
        return Answer(result, harness, peak if isinstance(peak, int) else None, found)

    def _send(self, job: MeasureJob, seconds: float) -> None:
        if job.keep_files is not None:
            raise BadRequest("keep_files: a container keeps no files; convert on the worker")
        sent: dict[str, File] = {}

        def inside(file: File) -> File:
            path = Path(file.path)
            if file.sha256 not in sent:
                self._send_file(path, file.sha256)
                place = f"{frames.INBOX}/{file.sha256}{path.suffix}"
                sent[file.sha256] = File(path=place, sha256=file.sha256)
            return sent[file.sha256]

        arms = [arm.model_copy(update={"file": inside(arm.file)}) for arm in job.arms]
        calibration = inside(job.calibration) if job.calibration else None
        there = job.model_copy(update={"arms": arms, "calibration": calibration})
        content = there.model_dump_json().encode()
        self._stream.sendall(frames.head("job", len(content), seconds=seconds) + content)

    def _send_file(self, path: Path, sha256: str) -> None:
        try:
            source = path.open("rb")
        except OSError as error:
            raise BadRequest(f"file {str(path)!r} cannot be read: {error.strerror}") from None
        with source:
            size = path.stat().st_size
            self._stream.sendall(frames.head("file", size, sha256=sha256, suffix=path.suffix))
            frames.pour(source, self._stream.sendall)

    def _frame(self, kind: str) -> tuple[dict[str, Any], bytes]:
        """A frame that must be a ``kind``.

        Raises:
            frames.NoFrame: something else came, or nothing. NotAResult: another frame did.
        """
        head = frames.receive(self._read)
        if head["frame"] != kind or head["bytes"] > frames.MAX_RESULT_BYTES:
            raise NotAResult(
                f"the container sent {head['bytes']} bytes of {head['frame'][:40]!r}; "
                f"up to {frames.MAX_RESULT_BYTES} of {kind!r} were expected"
            )
        return head, frames.body(self._read, head["bytes"])

    def _read(self, size: int) -> bytes:
        """So many bytes of stdout, or fewer at its end."""
        while len(self._out) < size and self._more():
            pass
        found = bytes(self._out[:size])
        del self._out[:size]
        return found

    def _more(self) -> bool:
        """Takes in one piece of stdout or stderr; False at the end."""
        head = self._exactly(8)
        if len(head) < 8:
            self._hear(end=True)
            return False
        stream, size = struct.unpack(">BxxxL", head)
        piece = self._exactly(size)
        if stream == _STDOUT:
            self._out += piece
        elif stream == _STDERR:
            self._err += piece
            self._hear()
        return True

    def _hear(self, *, end: bool = False) -> None:
        *lines, rest = self._err.split(b"\n")
        if end or len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], bytearray()
        self._err = rest
        for line in lines:
            self._said.hear(bytes(line))

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = self._stream.recv(size - len(found))
            if not piece:
                break
            found += piece
        return bytes(found)


def _keep_alive(stream: socket.socket) -> None:
    """A machine that vanished without a word is noticed after half a minute, not never."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 10),
        (socket.TCP_KEEPINTVL, 5),
        (socket.TCP_KEEPCNT, 4),
    ):
        stream.setsockopt(socket.IPPROTO_TCP, option, value)


def _first(error: ValidationError) -> str:
    return str(error).splitlines()[0]
