"""Talking with a confined container through the engine: frames over its streams, both ways."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from docker.errors import APIError
from pydantic import ValidationError

from devices import confinement, frames
from devices.confinement import Confinement, Limits
from devices.errors import BadRequest, DeviceError, DeviceNotReady, NotAResult, NotConfined
from devices.transports.outcome import Said

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_STDOUT, _STDERR = 1, 2
_LONGEST_LINE = 64 << 10
_POLL_S = 0.1
_LOOK_S = 1.0

Found = TypeVar("Found")


class Conversation(Generic[Found]):
    """An exchange with a container, which :meth:`hold` has some ``talk`` do.

    It is held on a thread of its own, step by step: a TLS socket must not be read and written at
    once. Afterwards there is an ``answer``, or an ``error``, or the container ended before either.
    ``greeted`` is when it said who it is (time.monotonic); ``sends`` while much is sent to it.
    """

    answer: Found | None = None
    error: DeviceError | None = None
    greeted: float | None = None
    sends = False

    def __init__(self, stream: socket.socket, said: Said) -> None:
        self._stream = stream
        self._said = said
        self._out = bytearray()
        self._err = bytearray()

    @classmethod
    @contextmanager
    def attached(
        cls, client: DockerClient, container: str, said: Said
    ) -> Iterator[Conversation[Found]]:
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

    def run(
        self,
        container: Container,
        talk: Callable[[Conversation[Found]], Found],
        *,
        while_waiting: Callable[[], None],
    ) -> None:
        """Start the container and hold ``talk`` with it; what ``while_waiting`` raises ends it.

        Raises:
            DeviceNotReady: it cannot be started.
        """
        try:
            container.start()
        except APIError as error:
            raise DeviceNotReady(
                f"the Docker engine starts no container: {error.explanation}"
            ) from None
        look = 0.0
        thread = threading.Thread(target=self.hold, args=(talk,), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            self._said.deliver()
            while_waiting()
            if self.sends and time.monotonic() > look:
                look = time.monotonic() + _LOOK_S
                container.reload()
                if not container.attrs["State"]["Running"]:
                    self._send_no_more()
        self._said.deliver()

    def _send_no_more(self) -> None:
        """For when the container has ended meanwhile: engines take half a minute to notice."""
        secret = isinstance(self._stream, ssl.SSLSocket)  # such a stream ends in both directions
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR if secret else socket.SHUT_WR)

    def hold(self, talk: Callable[[Conversation[Found]], Found]) -> None:
        """The whole exchange."""
        try:
            self.answer = talk(self)
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

    def greet(self, limits: Limits, *, speaks: str, build: str) -> Confinement:
        """What holds the container, by its own first words; every one of ``limits`` is among it.

        ``speaks`` is the harness that it must have, ``build`` the command that makes its image.

        Raises:
            DeviceNotReady: it has another harness. NotConfined: a limit lacks. NotAResult: it says
                something else.
        """
        hello, content = self.frame("hello")
        harness = str(hello.get("harness"))
        if harness != speaks:
            raise DeviceNotReady(
                f"the image holds harness {harness[:20]!r}, {speaks!r} is needed: build it"
                f" anew ({build})"
            )
        try:
            found = Confinement.model_validate_json(content)
        except ValidationError as error:
            raise NotAResult(
                f"the container said no limits: {str(error).splitlines()[0]}"
            ) from None
        lacks = confinement.missing(found, limits)
        if lacks:
            raise NotConfined(f"the container is not confined: {lacks[0]}")
        self.greeted = time.monotonic()
        return found

    def send(self, kind: str, content: bytes, **fields: object) -> None:
        """One frame."""
        self._stream.sendall(frames.head(kind, len(content), **fields) + content)

    def send_file(self, path: Path, **fields: object) -> None:
        """A frame ``file`` of what ``path`` holds.

        Raises:
            BadRequest: it cannot be read.
        """
        try:
            source = path.open("rb")
        except OSError as error:
            raise BadRequest(f"file {str(path)!r} cannot be read: {error.strerror}") from None
        with source:
            self._stream.sendall(frames.head("file", path.stat().st_size, **fields))
            frames.pour(source, self._stream.sendall)

    def frame(self, kind: str) -> tuple[dict[str, Any], bytes]:
        """A frame that must be a ``kind``.

        Raises:
            frames.NoFrame: something else came, or nothing. NotAResult: another frame did.
        """
        head = self.head()
        if head["frame"] != kind or head["bytes"] > frames.MAX_RESULT_BYTES:
            raise NotAResult(
                f"the container sent {head['bytes']} bytes of {head['frame'][:40]!r}; "
                f"up to {frames.MAX_RESULT_BYTES} of {kind!r} were expected"
            )
        return head, frames.body(self.read, head["bytes"])

    def head(self) -> dict[str, Any]:
        """The first line of the next frame, whose bytes are then to be had from :meth:`read`.

        Raises:
            frames.NoFrame: something else came, or nothing.
        """
        return frames.receive(self.read)

    def read(self, size: int) -> bytes:
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
