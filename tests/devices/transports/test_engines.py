"""Addresses of Docker engines: what is accepted, and what is said of one that is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import targets
from devices.errors import BadRequest, DeviceNotReady
from devices.transports import containers
from devices.transports.engines import Engine

TARGET = targets.get("cpu-onnxruntime-fp32")
TLS = Path("/etc/actnas/tls")


@pytest.mark.parametrize(
    ("address", "tls"),
    [
        ("unix:///var/run/docker.sock", None),
        ("ssh://board", None),
        ("ssh://ann@board.lab:2222/run/user/1000/docker.sock", None),
        ("tcp://10.0.0.7:2376", TLS),
        ("tcp://[fd00::7]:2376", TLS),
    ],
)
def test_these_addresses_are_accepted(address: str, tls: Path | None) -> None:
    Engine(address, tls).check()


@pytest.mark.parametrize(
    ("address", "tls", "said"),
    [
        ("http://10.0.0.7:2375", None, "unix:///path/of.sock, ssh://user@host or tcp://host:port"),
        ("unix://docker.sock", None, "is accepted"),
        ("ssh://-oProxyCommand=x", None, "is accepted"),
        ("ssh://ann@-x", None, "is accepted"),
        ("tcp://10.0.0.7", TLS, "is accepted"),
        ("tcp://10.0.0.7:2376/x", TLS, "is accepted"),
        ("tcp://10.0.0.7:70000", TLS, "ports are 1 to 65535"),
        ("tcp://10.0.0.7:2376", None, "needs TLS: name the folder of ca.pem, cert.pem, key.pem"),
        ("ssh://board", TLS, "takes no TLS folder"),
        ("tcp://10.0.0.7:2376", Path("tls"), "an absolute path"),
    ],
)
def test_others_are_refused_in_one_line(address: str, tls: Path | None, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Engine(address, tls).check()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("unix://{folder}/no.sock", "No such file or directory"),
        ("unix://{folder}/file.sock", "Connection refused"),
        ("tcp://127.0.0.1:1", "has no cert.pem"),
    ],
)
def test_an_engine_that_is_away_is_not_ready(address: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file.sock").touch()
    (tmp_path / "ca.pem").touch()
    tls = tmp_path if address.startswith("tcp") else None
    setup = containers.Setup(engine=Engine(address.format(folder=tmp_path), tls))
    with pytest.raises(DeviceNotReady) as caught:
        containers.look(setup, TARGET)
    assert said in str(caught.value)
    assert str(tmp_path) not in str(caught.value)  # users read it
    assert "\n" not in str(caught.value)


def test_a_machine_without_ssh_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceNotReady, match="needs the program ssh, which is not installed"):
        containers.look(containers.Setup(engine=Engine("ssh://board")), TARGET)
