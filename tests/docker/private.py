"""A Docker engine of a test's own, which may be killed; the machine's knows nothing of it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import docker
import psutil
from docker.errors import DockerException

_START_S, _STOP_S = 60.0, 30.0
# Device containers have no network, so the engine needs none, and leaves the machine's alone.
_WITHOUT_NETWORK = (
    *("--bridge=none", "--iptables=false", "--ip6tables=false"),
    *("--ip-forward=false", "--ip-masq=false"),
)


class PrivateEngine:
    """dockerd with a socket, images and containers below a folder of its own. Needs root.

    A context manager; nothing is left after it.
    """

    def __init__(self) -> None:
        # Below /tmp itself: the path of a socket may have 107 bytes. And no "_", which containerd
        # takes in no namespace behind a "-".
        self._folder = Path("/tmp", f"actnas-engine-{secrets.token_hex(4)}")
        self._folder.mkdir(mode=0o700)
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = self._folder / "engine.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def __enter__(self) -> PrivateEngine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        self._end_what_is_left()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Returns when it answers."""
        (self._folder / "pid").unlink(missing_ok=True)  # of one that was killed
        command = ["dockerd", "--host", self.url, "--pidfile", str(self._folder / "pid")]
        command += ["--data-root", str(self._folder / "data")]
        command += ["--exec-root", str(self._folder / "exec"), *_WITHOUT_NETWORK]
        # Where the machine has a containerd for all, engines share it and must not see each other.
        command += ["--containerd-namespace", self._folder.name]
        command += ["--containerd-plugins-namespace", f"{self._folder.name}-plugins"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            ended = self._process.poll() is not None or time.monotonic() > deadline
            assert not ended, (self._folder / "log").read_text()[-3000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9, of the engine and the containerd that it started: containers do not notice."""
        assert self._process is not None
        below = psutil.Process(self._process.pid).children()
        self._process.kill()
        self._process.wait()
        self._process = None
        # It has itself killed when its engine dies; until somebody has waited for it, the next
        # engine takes it for alive.
        for process in below:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(_STOP_S)

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.url, version="auto", timeout=60)

    def take(self, image: str, *, of: docker.DockerClient) -> None:
        """Have an image that another engine has."""
        with closing(self.client()) as client:
            client.images.load(of.images.get(image).save(named=True))

    def _answers(self) -> bool:
        with suppress(DockerException):
            with closing(self.client()) as client:
                return bool(client.ping())
        return False

    def _end_what_is_left(self) -> None:
        """Of a killed engine: what holds its containers, and their file systems."""
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self._folder) in part for part in process.info["cmdline"] or []):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        places = [line.split()[1] for line in mounts]
        for place in sorted(filter(self._is_below, places), reverse=True):
            subprocess.run(["umount", "-l", place], check=True)

    def _is_below(self, place: str) -> bool:
        return os.path.commonpath([place, self._folder]) == str(self._folder)
