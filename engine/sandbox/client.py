"""Having an upload checked: start a server, ask it, and believe nothing that comes back."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.errors import EngineError, one_line
from engine.sandbox.task import Request
from engine.uploads import KINDS, DataSetFacts, ModelFacts

__all__ = ["CheckLost", "Checked", "Server", "ServerGone", "Usage", "objects", "verdict"]

ROOT = Path(__file__).resolve().parents[2]
MAX_ANSWER = 16 * 2**20
_POLL_S = 0.2
_KEPT = ("PATH", "LANG", "LC_ALL", "YOLO_CONFIG_DIR", "MPLCONFIGDIR", "LD_LIBRARY_PATH")
_FACTS: dict[str, type[BaseModel]] = {"model": ModelFacts, "data-set": DataSetFacts}

Waiting = Callable[[], None]
Progress = Callable[[float, str], None]


class ServerGone(ConnectionError):
    """The process that forks the checks has ended; no check was begun."""


class CheckLost(ConnectionError):
    """The check was killed from outside; nothing is known of the upload."""


@dataclass(frozen=True)
class Usage:
    """What a check took. ``peak_mib`` is above what a warm child begins with."""

    peak_mib: float = 0.0
    cpu_s: float = 0.0
    seconds: float = 0.0


@dataclass
class Checked:
    """An upload that can be used: its facts, how its reader was confined, what it took."""

    facts: Any
    confined: dict[str, Any] = field(default_factory=dict)
    usage: Usage = Usage()
    where: str = ""  # "in a container", or beside the worker

    @property
    def held(self) -> str:
        """How its reader was confined, in words."""
        lost = [f"no {name}" for name, value in self.confined.items() if value is True]
        user = f"as user {self.confined.get('user')}"
        return ", ".join([*filter(None, [self.where]), user, *lost])


class Server:
    """The warm server as a child process of this one; children forked from this one share it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.sandbox", "--serve", str(theirs.fileno())],
                cwd="/",
                env={
                    **environment,
                    "PYTHONPATH": str(ROOT),
                    "HOME": "/nonexistent",
                    "CUDA_VISIBLE_DEVICES": "",
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                    "YOLO_OFFLINE": "true",
                    "ULTRALYTICS_SAFE_LOAD": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def is_alive(self) -> bool:
        """Whether the process still runs; for the process that started it."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server with every check that it runs. For the process that started it."""
        self._control.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(
        self,
        request: Request,
        *,
        timeout_s: float,
        while_waiting: Waiting | None = None,
        progress: Progress | None = None,
    ) -> Checked:
        """What the upload is; ``while_waiting`` is called a few times a second.

        Raises:
            BadModel, BadDataSet: the upload cannot be used, or reading it takes too much.
            ServerGone: the server has died. CheckLost: the check was killed.
            EngineError: a fault of ours.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    socket.send_fds(
                        self._control, [request.model_dump_json().encode()], [theirs.fileno()]
                    )
                except OSError as error:
                    raise ServerGone(f"the sandbox's server is gone: {one_line(error)}") from None
            lines = _lines(ours, timeout_s, while_waiting or (lambda: None), request)
            return verdict(request, lines, progress or (lambda share, text: None))


def verdict(request: Request, lines: Iterator[Mapping[str, Any]], progress: Progress) -> Checked:
    """What the ``lines`` of a check come to. They may be forged: who reads a hostile file may be
    taken over by it, and what it says is then a lie that can harm nobody but the file's owner.

    Raises:
        BadModel, BadDataSet, CheckLost, EngineError: see :meth:`Server.check`.
    """
    checked = Checked(facts=None)
    refused = broken = None
    ended: Mapping[str, Any] | None = None
    for line in lines:
        if "facts" in line:
            checked.facts = line["facts"]
        elif "confined" in line:
            checked.confined = dict(line["confined"])
        elif "progress" in line:
            share, text = line["progress"]
            progress(float(share), str(text)[:200])
        elif "refused" in line:
            refused = " ".join(str(line["refused"]).split())[:500]
        elif "broken" in line:
            broken = str(line["broken"])[-8000:]
        elif "ended" in line:
            ended = line["ended"]
    if ended is None:
        raise CheckLost("the sandbox's server ended during a check")
    checked.usage = Usage(
        peak_mib=max(0.0, ended["peak_mib"] - ended["idle_mib"]),
        cpu_s=ended["cpu_s"],
        seconds=ended["seconds"],
    )
    if refused is not None:
        raise KINDS[request.kind](refused, usage=checked.usage)
    if broken is not None:
        raise EngineError(f"reading {request.file} broke:\n{broken}")
    if ended["status"] != 0 or checked.facts is None:
        raise _ended_badly(request, ended["status"], checked.usage)
    try:
        checked.facts = _FACTS[request.kind].model_validate(checked.facts)
    except ValidationError as error:
        raise EngineError(f"the check of {request.file} said what it may not: {error}") from None
    return checked


def _ended_badly(request: Request, status: int, usage: Usage) -> Exception:
    bad = KINDS[request.kind]
    if status == -signal.SIGXCPU or (status < 0 and usage.cpu_s >= request.limits.cpu_s - 1):
        seconds = request.limits.cpu_s
        return bad(
            f"{request.file} takes more than {seconds} s of processor time to be checked",
            usage=usage,
        )
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        return CheckLost("the check was killed: most likely the machine ran out of memory")
    if status < 0:
        name = signal.Signals(-status).name
        return bad(
            f"{request.file} makes its reader crash ({name}) or takes more than "
            f"{request.limits.memory_mib} MiB; it may be damaged: export it again",
            usage=usage,
        )
    return EngineError(f"the check of {request.file} ended with status {status} and said nothing")


def _lines(
    source: socket.socket, timeout_s: float, while_waiting: Waiting, request: Request
) -> Iterator[Mapping[str, Any]]:
    """JSON objects a line until the server closes."""
    deadline, rest, size = time.monotonic() + timeout_s, b"", 0
    while True:
        ready, _, _ = select.select([source], [], [], _POLL_S)
        while_waiting()
        if not ready:
            if time.monotonic() > deadline:
                raise KINDS[request.kind](
                    f"{request.file} takes more than {timeout_s:g} s to be checked"
                )
            continue
        chunk = source.recv(2**16)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise EngineError(f"the check of {request.file} does not stop talking")
        *whole, rest = (rest + chunk).split(b"\n")
        yield from objects(whole)
        if not chunk:
            return


def objects(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The JSON objects among the lines; others are nobody's answer."""
    for line in lines:
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found
