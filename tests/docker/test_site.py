"""A site with a Docker device: a search from start to end, whatever dies meanwhile."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
import ultralytics

from devices import HARNESS_VERSION
from engine.remote import Client
from tests.docker.conftest import PREFIX
from tests.docker.private import PrivateEngine
from webapp.demo.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.slow]

TARGET = "cpu-onnxruntime-fp32"
RECOVERS_S = 60.0  # from a death to work that goes on, or to a reason
YAML = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"
DEVICE = (
    "from webapp.pool.models import Device, Host;"
    "Device.objects.all().delete();"
    "Device(host=Host.objects.get(), name='Lab', slug='lab', model='Test CPU',"
    " targets=['{target}'], transport='docker', engine='{engine}', cpuset='0',"
    " memory_mib=1024).save()"
)


@dataclass
class Site:
    """A running site, a search on it, and a client of the engine that its device names."""

    stack: Stack
    script: Client
    request: str
    search: str
    engine: docker.DockerClient

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the site's database answers."""
        with closing(sqlite3.connect(self.stack.data / "actnas.sqlite3", timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def until(self, condition: Callable[[], Any], *, seconds: float = 150.0) -> Any:
        """What ``condition()`` returns once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            jobs = self.rows("SELECT id, kind, state, attempt, message, reason FROM jobs_job")
            assert time.monotonic() < deadline, f"not within {seconds:g} s; {jobs}"
            time.sleep(0.1)
        return found

    def look(self) -> dict[str, Any]:
        """The search, as its owner sees it."""
        (row,) = self.script.request(self.request)["searches"]
        return dict(row)

    def is_over(self) -> bool:
        return self.look()["state"] not in {"queued", "running", "waiting"}

    def waits_for_its_engine(self) -> bool:
        row = self.look()
        assert row["state"] in {"queued", "running", "waiting"}, row
        return any("no Docker engine answers" in wait["message"] for wait in row["waiting"])

    def measuring(self) -> tuple[int, int] | None:
        """(job, process) of the measurement for the search that runs."""
        query = "SELECT id, worker FROM jobs_job WHERE kind = 'measure' AND state = 'running'"
        found = [(job, int(worker.split(":")[1])) for job, worker in self.rows(query)]
        return found[0] if found else None

    def container(self) -> Any:
        """The running container of the search's measurement; None if there is none now."""
        at_work = self.measuring()
        if at_work is None:
            return None
        ours = {"label": "actnas.owner"}
        for container in self.engine.containers.list(filters=ours, ignore_removed=True):
            if container.labels["actnas.owner"].split(":")[1] == str(at_work[1]):
                return container
        return None

    def runs(self, container: Any) -> bool:
        return bool(self.engine.containers.list(filters={"id": container.id}))


@pytest.fixture
def own() -> Iterator[PrivateEngine]:
    """An engine that has not been started yet."""
    with PrivateEngine() as engine:
        yield engine


@pytest.fixture
def site(
    own: PrivateEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A small cost study was just asked for."""
    monkeypatch.setenv("ACTNAS_IMAGES", PREFIX)
    with Stack(tmp_path / "site") as stack:
        stack.manage("shell", "-c", DEVICE.format(target=TARGET, engine=own.url))
        script = Client(stack.url)
        script.sign_up(username="scripted", password="a-curious-password-7")
        path = tmp_path / "yolov8n.yaml"
        path.write_bytes(YAML.read_bytes())
        model = script.ready("models", script.upload(path)["id"])
        wish = {"model": model["id"], "targets": [TARGET], "activations": ["relu", "silu"]}
        asked = script.search(wish | {"imgsz": 64, "seed": 1})
        with closing(docker.DockerClient(base_url=own.url, version="1.41")) as client:
            yield Site(stack, script, asked["id"], asked["searches"][0]["id"], client)


def test_a_search_survives_its_container_its_worker_and_its_engine(
    site: Site, own: PrivateEngine, engine: docker.DockerClient, onnxruntime_image: str
) -> None:
    site.until(site.waits_for_its_engine)
    own.start()
    own.take(onnxruntime_image, of=engine)
    container = site.until(site.container)
    whose = container.labels["actnas.site"]
    at_work = site.measuring()
    assert at_work is not None
    job, worker = at_work
    psutil.Process(worker).kill()
    # No container goes on without the connection that feeds it.
    site.until(lambda: not site.runs(container), seconds=20)
    container = site.until(site.container, seconds=RECOVERS_S)
    own.kill()
    site.until(site.waits_for_its_engine, seconds=RECOVERS_S)
    own.start()
    at_work_again = site.until(site.container, seconds=RECOVERS_S)
    assert at_work_again.id != container.id
    assert not site.runs(container)
    state = "SELECT state FROM jobs_job WHERE id = ?"
    site.until(lambda: site.rows(state, job) == [("finished",)])
    last = site.until(site.container)
    last.kill()
    site.until(lambda: site.is_over() or site.container() not in (None, last), seconds=RECOVERS_S)
    site.until(site.is_over)
    found = site.look()
    assert (found["state"], found["reason"]) == ("finished", "")
    assert not site.rows("SELECT id FROM pool_host WHERE leased_by_id IS NOT NULL")
    # The agent looks every 20 s for what the dead left.
    ours = {"label": f"actnas.site={whose}"}
    site.until(lambda: not site.engine.containers.list(all=True, filters=ours), seconds=60)
    twice = "SELECT hash FROM searches_measurement GROUP BY search_id, hash HAVING count(*) > 1"
    assert site.rows(twice) == []
    image = site.engine.images.get(f"{PREFIX}/device-onnxruntime:{HARNESS_VERSION}")
    results = site.rows("SELECT result FROM searches_measurement")
    assert len(results) > 1
    for (result,) in results:
        told = json.loads(result)["provenance"]["machine"]["container"]
        assert (told["image_id"], told["harness"]) == (image.id, HARNESS_VERSION)
        assert told["revision"] == image.labels["org.opencontainers.image.revision"]
