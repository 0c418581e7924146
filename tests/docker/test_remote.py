"""Engines of other machines: reached through TLS, and through the system's ssh."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devices import targets
from devices.errors import DeviceNotReady
from devices.transports import containers
from devices.transports import docker as transport
from devices.transports.containers import Setup
from devices.transports.engines import Engine
from tests.conftest import ROOT
from tests.devices import jobs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

TARGET = "cpu-onnxruntime-fp32"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates of an authority, a server at 127.0.0.1 and a client."""
    folder = tmp_path_factory.mktemp("tls")
    _openssl(folder, "req -x509 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=authority")
    _certificate(folder, key="server-key.pem", certificate="server-cert.pem")
    _certificate(folder, key="key.pem", certificate="cert.pem")
    return folder


def test_a_job_runs_on_an_engine_behind_tls(
    onnxruntime_image: str, setup: Setup, certificates: Path, tmp_path: Path
) -> None:
    job = jobs.job(tmp_path, TARGET, "relu")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with _running([sys.executable, "-m", "tests.docker.proxy", str(port), str(certificates)]):
        remote = replace(setup, engine=Engine(f"tcp://127.0.0.1:{port}", certificates))
        result = transport.run(job, setup=remote, timeout_s=60)
        assert result.provenance.machine["container"]["engine"] == "tcp"
        assert [arm.name for arm in result.arms] == ["original", "uniform:relu"]
        strange = tmp_path / "strange"
        shutil.copytree(certificates, strange)
        _openssl(strange, "req -x509 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=other")
        stranger = replace(remote, engine=Engine(f"tcp://127.0.0.1:{port}", strange))
        with pytest.raises(DeviceNotReady, match="CERTIFICATE_VERIFY_FAILED"):
            containers.look(stranger, targets.get(TARGET))


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists(), reason="apt-get install openssh-server")
@pytest.mark.skipif(os.getuid() != 0, reason="sshd is started as root")
def test_a_job_runs_on_an_engine_behind_ssh(
    onnxruntime_image: str, setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.job(tmp_path, TARGET, "relu")
    with _sshd(tmp_path / "ssh") as (port, bin_):
        monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
        remote = replace(setup, engine=Engine(f"ssh://root@127.0.0.1:{port}"))
        result = transport.run(job, setup=remote, timeout_s=60)
        assert result.provenance.machine["container"]["engine"] == "ssh"
        lost = replace(setup, engine=Engine(f"ssh://root@127.0.0.1:{port}/no/engine.sock"))
        with pytest.raises(DeviceNotReady, match="no Docker engine answers"):
            containers.look(lost, targets.get(TARGET))
    with pytest.raises(DeviceNotReady, match="ssh did not connect"):
        containers.look(remote, targets.get(TARGET))


@contextmanager
def _sshd(folder: Path) -> Iterator[tuple[int, Path]]:
    """A server for one key: its port, and a folder whose ``ssh`` has that key."""
    (folder / "bin").mkdir(parents=True)
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    (folder / "sshd").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
    )
    public = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "config").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\n"
    )
    # ssh asks the password file for its home, not the environment: only a flag moves its files.
    ssh = folder / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)  # it insists on that folder
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd")]
    process = subprocess.Popen(command, stderr=(folder / "log").open("wb"))
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield port, folder / "bin"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate()


def _certificate(folder: Path, *, key: str, certificate: str) -> None:
    name = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    _openssl(folder, f"req -nodes -keyout {key} -out request.pem {name}")
    signed = "-CA ca.pem -CAkey ca-key.pem -CAcreateserial -copy_extensions copy"
    subprocess.run(
        ["openssl", *f"x509 -req -in request.pem -out {certificate} {signed}".split()],
        cwd=folder,
        capture_output=True,
        check=True,
    )


def _openssl(folder: Path, request: str) -> None:
    """``openssl req`` with a new key."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2"
    command = ["openssl", *request.split(), *key.split()]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
