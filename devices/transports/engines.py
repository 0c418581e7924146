"""Docker engines: on this machine, or on another one through ssh or TLS."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devices.errors import BadRequest, DeviceNotReady, causes

if TYPE_CHECKING:
    from docker import DockerClient

log = logging.getLogger(__name__)

LOCAL = "unix:///var/run/docker.sock"
TLS_FILES = ("ca.pem", "cert.pem", "key.pem")
ANSWER_S = 20.0  # an engine that does not answer a request within this time is away
_ANY_VERSION = "1.41"  # of the API; what the engine speaks is asked before it is spoken
_CONNECT_S = 10.0
_HOST = r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:]+\])"
_PORT = r":(?P<port>[0-9]{1,5})"
_ADDRESSES = {
    "unix": re.compile(r"unix://(?P<path>/[^\s,]+)"),
    "ssh": re.compile(
        rf"ssh://((?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?{_HOST}({_PORT})?(?P<path>/[^\s,:]+)?"
    ),
    "tcp": re.compile(rf"tcp://{_HOST}{_PORT}"),
}


@dataclass(frozen=True)
class Engine:
    """Where a Docker engine answers.

    ``address`` is ``unix:///path``, ``ssh://[user@]host[:port][/path of its socket]`` or
    ``tcp://host:port``. ``tls`` is the folder of ca.pem, cert.pem and key.pem that a tcp engine
    needs: without certificates anybody who reaches its port is root there. ssh is the system's
    own, with its configuration, keys and known hosts; it is never asked for a password. Errors of
    :meth:`connect` say nothing of the address: users read them.
    """

    address: str = LOCAL
    tls: Path | None = None

    def __str__(self) -> str:
        return self.address

    @property
    def scheme(self) -> str:
        """unix, ssh or tcp."""
        return self.address.partition("://")[0]

    @property
    def is_local(self) -> bool:
        """Whether it runs containers on this machine."""
        return self.scheme == "unix"

    def check(self) -> None:
        """Whether address and certificates fit; nothing is contacted.

        Raises:
            BadRequest: they do not; one line that says what is accepted.
        """
        scheme = self.scheme
        pattern = _ADDRESSES.get(scheme)
        if pattern is None or not (found := pattern.fullmatch(self.address)):
            raise BadRequest(
                f"engine address {self.address!r}: unix:///path/of.sock, ssh://user@host or "
                "tcp://host:port is accepted"
            )
        if not 0 < int(found.groupdict().get("port") or 1) < 65536:
            raise BadRequest(f"engine address {self.address!r}: ports are 1 to 65535")
        if scheme == "tcp" and self.tls is None:
            raise BadRequest(
                f"engine address {self.address!r} needs TLS: name the folder of "
                f"{', '.join(TLS_FILES)}"
            )
        if scheme != "tcp" and self.tls is not None:
            raise BadRequest(f"engine address {self.address!r} takes no TLS folder; only tcp does")
        if self.tls is not None and not self.tls.is_absolute():
            raise BadRequest(f"TLS folder {str(self.tls)!r}: an absolute path is accepted")

    @contextmanager
    def connect(self) -> Iterator[DockerClient]:
        """A client that the engine has answered.

        Raises:
            BadRequest: see :meth:`check`. DeviceNotReady: it does not answer.
        """
        self.check()
        if self.scheme == "ssh":
            with self._tunnel() as address:
                yield from self._client(address)
        else:
            yield from self._client(self.address)

    def _client(self, address: str) -> Iterator[DockerClient]:
        import docker
        from docker.errors import DockerException
        from docker.tls import TLSConfig
        from requests.exceptions import RequestException

        tls: TLSConfig | bool = False
        if self.tls is not None:
            ca, cert, key = (self.tls / name for name in TLS_FILES)
            for path in (ca, cert, key):
                if not path.is_file():
                    raise DeviceNotReady(f"the TLS folder of the Docker engine has no {path.name}")
            tls = TLSConfig(client_cert=(str(cert), str(key)), ca_cert=str(ca), verify=True)

        def made(version: str) -> DockerClient:
            client = docker.DockerClient(address, version=version, timeout=ANSWER_S, tls=tls)
            # Else a bundle of certificates in the environment stands in for the engine's own.
            client.api.trust_env = False
            return client

        try:
            with closing(made(_ANY_VERSION)) as asking:
                version = asking.api.version(api_version=False)["ApiVersion"]
            client = made(version)
        except (DockerException, RequestException, OSError) as error:
            raise DeviceNotReady(f"no Docker engine answers: {cause_of(error)}") from None
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def _tunnel(self) -> Iterator[str]:
        """The address of a socket here that leads to the engine's there."""
        found = _ADDRESSES["ssh"].fullmatch(self.address)
        assert found is not None
        if shutil.which("ssh") is None:
            raise DeviceNotReady("its Docker engine needs the program ssh, which is not installed")
        there = found["path"] or LOCAL.removeprefix("unix://")
        login = f"{found['user']}@{found['host']}" if found["user"] else found["host"]
        with tempfile.TemporaryDirectory(prefix="actnas-ssh-") as folder:
            here = Path(folder) / "e.sock"
            command = ["ssh", "-T", "-oBatchMode=yes", "-oExitOnForwardFailure=yes"]
            command += [f"-oConnectTimeout={_CONNECT_S:g}", "-oServerAliveInterval=5"]
            command += ["-p", found["port"]] if found["port"] else []
            # `cat` ends with our end of the pipe: a killed process leaves no tunnel behind.
            command += ["-L", f"{here}:{there}", "--", login, "cat"]
            with (Path(folder) / "log").open("w+b") as said:
                ssh = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
                )
                try:
                    deadline = time.monotonic() + _CONNECT_S + 2
                    while not here.is_socket():
                        if ssh.poll() is not None or time.monotonic() > deadline:
                            said.seek(0)
                            lines = said.read().decode(errors="replace").strip().splitlines()
                            log.warning("%s: %s", self, lines[-1] if lines else "no answer")
                            raise DeviceNotReady("no Docker engine answers: ssh did not connect")
                        time.sleep(0.05)
                    yield f"unix://{here}"
                finally:
                    ssh.kill()
                    ssh.communicate()


def cause_of(error: BaseException) -> str:
    """What is behind an error of the client, in a few words: those of the system where it said."""
    told = str(error)
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            told = cause.strerror
    return " ".join(told.split())[:200]
