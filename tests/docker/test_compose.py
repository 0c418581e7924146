"""The composed site: its images, its services, and a search through it by the public client."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest
import ultralytics

import devices
from engine.remote import Client
from tests import machine
from tests.conftest import ROOT
from tests.docker.site_images import build

COMPOSE = ROOT / "docker" / "compose.yaml"
NPU = "npu-ethos-u55-128-int8"
YAML = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"
SECRETS = ("ACTNAS_SECRET_KEY", "ACTNAS_DATABASE_PASSWORD", "ACTNAS_REDIS_PASSWORD")
NAMES = ("web", "worker", "postgres", "redis")

pytestmark = [pytest.mark.compose, pytest.mark.docker]


def compose(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = machine.compose()
    assert command is not None
    return subprocess.run(
        [*command, "-f", str(COMPOSE), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("missing", SECRETS)
def test_no_secret_has_a_default(missing: str) -> None:
    given = {name: "" if name == missing else secrets.token_hex(8) for name in SECRETS}
    done = compose("config", environment=given)
    assert done.returncode != 0
    assert "docker/.env.example" in done.stderr
    whole = compose("config", environment={**given, missing: "x"})
    assert whole.returncode == 0, whole.stderr
    for name in NAMES:
        assert f"actnas/{name}:{devices.__version__}" in whole.stdout


@dataclass
class Composed:
    """The running site."""

    url: str
    project: str
    environment: dict[str, str]

    def do(self, *arguments: str) -> str:
        done = compose("-p", self.project, *arguments, environment=self.environment)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="module")
def images(engine: docker.DockerClient) -> None:
    """The four images, built with the layers of earlier builds."""
    build(*NAMES)


@pytest.fixture(scope="module")
def site(images: None) -> Iterator[Composed]:
    """All services, as docker/compose.yaml starts them; gone afterwards, volumes included."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {name: secrets.token_hex(16) for name in SECRETS}
    environment["ACTNAS_PUBLISH"] = f"127.0.0.1:{port}"
    environment["ACTNAS_SIGN_UP"] = "1"
    composed = Composed(
        f"http://127.0.0.1:{port}", f"actnas-test-{secrets.token_hex(3)}", environment
    )
    try:
        composed.do("up", "-d", "--no-build")
        yield composed
    finally:
        down = compose(
            "-p", composed.project, "down", "--volumes", "--timeout", "10", environment=environment
        )
        assert down.returncode == 0, down.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", NAMES)
def test_an_image_runs_as_nobody_special(engine: docker.DockerClient, name: str) -> None:
    config = engine.images.get(f"actnas/{name}:{devices.__version__}").attrs["Config"]
    assert config["User"] not in ("", "root", "0")
    assert config["Healthcheck"]["Test"]
    assert config["Labels"]["org.opencontainers.image.version"] == devices.__version__
    text = str(config["Env"])
    assert "PASSWORD" not in text
    assert "SECRET" not in text


@pytest.mark.slow
def test_a_search_runs_through_it(site: Composed, tmp_path: Path) -> None:
    def ready() -> list[str]:
        try:
            found = httpx.get(f"{site.url}/readyz", timeout=20).json()
        except httpx.HTTPError as error:
            return [str(error)]
        return list(found["reasons"])

    deadline = time.monotonic() + 180
    while reasons := ready():
        assert time.monotonic() < deadline, (reasons, site.do("ps"), site.do("logs", "--tail=40"))
        time.sleep(1)
    path = tmp_path / "yolov8n.yaml"
    path.write_bytes(YAML.read_bytes())
    with Client(site.url) as script:
        script.sign_up(username="scripted", password="a-curious-password-7")
        model = script.ready("models", script.upload(path)["id"])
        assert model["state"] == "ready", model
        wish = {
            "model": model["id"],
            "targets": [NPU],
            "activations": ["relu", "silu"],
            "imgsz": 64,
        }
        *_, request = script.watch(script.search(wish)["id"], limit_s=240)
        (search,) = request["searches"]
        assert search["state"] == "finished", (search, site.do("logs", "--tail=60"))
        assert script.result(search["id"])["verdict"]["kind"] == "cost_study"


@pytest.mark.slow
def test_what_it_knows_outlives_its_containers(site: Composed) -> None:
    site.do("restart", "postgres", "redis", "web")
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = httpx.get(f"{site.url}/api/v1/targets", timeout=20)
            if answer.status_code == 200:
                break
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, site.do("logs", "--tail=40")
        time.sleep(1)
    with Client(site.url) as script, pytest.raises(Exception, match=r"taken|exists|already"):
        script.sign_up(username="scripted", password="a-curious-password-7")
