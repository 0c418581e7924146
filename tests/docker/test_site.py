"""A site with a Docker device: a search from start to end, whatever dies meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from devices import HARNESS_VERSION
from tests.conftest import ROOT
from tests.docker.conftest import PREFIX
from tests.faults.conftest import CPU, Site, whole_site
from tests.faults.whole import nothing_lost

pytestmark = [pytest.mark.docker, pytest.mark.slow]

DEVICE = (
    "from webapp.pool.models import Device, Host;"
    "Device.objects.all().delete();"
    "Device(host=Host.objects.get(), name='Lab', slug='lab', model='Test CPU',"
    " targets=['{target}'], transport='docker', engine='unix://{socket}', cpuset='0',"
    " memory_mib=1024).save()"
)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    """Where the site looks for its engine; nobody listens there yet."""
    return tmp_path / "engine.sock"


@pytest.fixture
def site(
    onnxruntime_image: str, tmp_path: Path, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    monkeypatch.setenv("ACTNAS_IMAGES", PREFIX)
    with whole_site(tmp_path) as found:
        found.stack.manage("shell", "-c", DEVICE.format(target=CPU, socket=socket))
        yield found


@contextmanager
def answering(socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An engine at ``socket``: a way to the real one, which can be killed."""
    socket.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.docker.proxy", str(socket)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_search_survives_its_container_its_worker_and_its_engine(
    engine: docker.DockerClient, site: Site, socket: Path
) -> None:
    search = site.ask(seed=1, target=CPU)

    def waits() -> bool:
        (row,) = site.script.request(_request_of(site, search))["searches"]
        assert row["state"] in {"queued", "running", "waiting"}, row
        return any("no Docker engine answers" in wait["message"] for wait in row["waiting"])

    site.until(waits)
    with answering(socket) as way:
        container = _busy(engine, site)
        site_label = container.labels["actnas.site"]
        ((job, worker),) = site.running("measure")
        psutil.Process(worker).kill()
        site.until(lambda: not _runs(engine, container.id), seconds=20)
        container = _busy(engine, site)
        way.kill()
        way.wait()
        # No container goes on without the connection that feeds it.
        site.until(lambda: not _runs(engine, container.id), seconds=20)
    site.until(waits)
    with answering(socket):
        of_first = "SELECT state FROM jobs_job WHERE id = ?"
        site.until(lambda: site.rows(of_first, job) == [("finished",)])
        _busy(engine, site).kill()
        assert site.end_of(search) == ("finished", "")
        nothing_lost(site, search)
        ours = {"label": f"actnas.site={site_label}"}
        # The agent looks every 20 s for what the dead left.
        site.until(lambda: not engine.containers.list(all=True, filters=ours), seconds=60)
    image = engine.images.get(f"{PREFIX}/device-onnxruntime:{HARNESS_VERSION}")
    results = site.rows("SELECT result FROM searches_measurement")
    assert results
    for result in results:
        told = json.loads(result[0])["provenance"]["machine"]["container"]
        assert (told["image_id"], told["harness"]) == (image.id, HARNESS_VERSION)
        assert told["revision"] == image.labels["org.opencontainers.image.revision"]


def _busy(engine: docker.DockerClient, site: Site) -> Any:
    """The container of this site that runs."""

    def found() -> Any:
        owners = [str(process) for _, process in site.running("measure")]
        ours = {"label": "actnas.owner"}
        for container in engine.containers.list(filters=ours, ignore_removed=True):
            if container.labels["actnas.owner"].split(":")[1] in owners:
                return container
        return None

    return site.until(found)


def _runs(engine: docker.DockerClient, container: str) -> bool:
    return bool(engine.containers.list(filters={"id": container}))


def _request_of(site: Site, search: str) -> str:
    ((request,),) = site.rows("SELECT request_id FROM searches_search WHERE id = ?", search)
    return str(request)
