"""Measurements that leave in a bundle, and come back by an administrator's hand."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from engine.errors import Pending
from tests.webapp import test_measure as measuring
from tests.webapp.conftest import People
from tests.webapp.test_measure import job, surroundings, tiny_model
from webapp.audit.models import Record
from webapp.jobs.choices import Fault, State
from webapp.jobs.models import Job
from webapp.jobs.standstill import why
from webapp.pool.models import Device
from webapp.searches.models import Measurement, Search

pytestmark = pytest.mark.django_db(transaction=True)

search = measuring.search
IMPORT = "/admin/pool/device/import/"


@pytest.fixture
def asked(search: Search, site: Path) -> Measurement:
    """A measurement that waits for a device which only bundles reach."""
    Device.objects.filter(slug="here-cpu").update(transport="bundle")
    with pytest.raises(Pending):
        surroundings(search).measure(job(tiny_model(site / "tiny.onnx"), memory=False))
    return Measurement.objects.select_related("job").get()


@pytest.fixture
def admin(people: People) -> Client:
    client = Client()
    client.force_login(people.admin)
    return client


def measured(folder: Path) -> bytes:
    """Run a bundle, as its README says."""
    done = subprocess.run([sys.executable, str(folder / "run.py")], cwd="/", capture_output=True)
    assert done.returncode == 0, done.stderr
    return (folder / "results.json").read_bytes()


def upload(client: Client, content: bytes) -> str:
    file = SimpleUploadedFile("results.json", content)
    return client.post(IMPORT, {"results": file}, follow=True).content.decode()


def test_out_by_the_admin_page_and_back(
    asked: Measurement,
    search: Search,
    admin: Client,
    people: People,
    tmp_path: Path,
) -> None:
    assert asked.job is not None
    assert why(asked.job).startswith("leaves in the next bundle of This machine on here")
    chosen = {"action": "bundle", "_selected_action": [asked.device_id]}
    answer = admin.post("/admin/pool/device/", chosen)
    packed = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path / "there")
    content = measured(tmp_path / "there" / "here-cpu")

    forged = json.loads(content)
    again = forged["returned"][0]["result"]["arms"][1]
    again["ratio_interval"] = {"low": again["ratio"], "high": again["ratio"]}
    assert "end is" in upload(admin, json.dumps(forged).encode())
    assert "is no results.json" in upload(admin, b"{}x")
    assert Job.objects.get(pk=asked.job.pk).state == State.QUEUED  # nothing was taken in

    assert "1 measurements imported, 0 failed on the device" in upload(admin, content)
    asked.refresh_from_db()
    assert asked.imported_by == people.admin
    assert asked.imported is not None
    result = surroundings(search).measure(job(tiny_model(tmp_path / "tiny.onnx"), memory=False))
    assert result.notes[-1] == "measured elsewhere; imported from a bundle by root"
    assert result.noise is not None
    assert asked.device is not None
    assert asked.device.noise_checks.get().ratio == result.arm("again").ratio
    trail = Record.objects.get(action="imported")
    assert (trail.actor, trail.kind) == ("root", "device")

    assert "1 of jobs that wait for no result here" in upload(admin, content)  # a second time


def test_out_and_back_by_commands(asked: Measurement, people: People, tmp_path: Path) -> None:
    call_command("bundle", "here-cpu", out=tmp_path / "there")
    bundle = json.loads((tmp_path / "there" / "bundle.json").read_text())
    failed = {"sha256": bundle["jobs"][0]["sha256"], "error": "no memory", "kind": "OutOfMemory"}
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"harness": bundle["harness"], "returned": [failed]}))
    with pytest.raises(CommandError, match="'alice' is no administrator"):
        call_command("import_results", results, by="alice")
    call_command("import_results", results, by="root")
    asked.refresh_from_db()
    assert asked.job is not None
    assert (asked.job.state, asked.job.reason) == (State.FAILED, "no memory")
    assert asked.job.fault == Fault.USER  # a smaller model is its owner's to give
    assert asked.imported_by == people.admin
    with pytest.raises(CommandError, match="nothing waits for This machine on here"):
        call_command("bundle", "here-cpu", out=tmp_path / "again")
    with pytest.raises(CommandError, match="no device 'there'; with bundles: here-cpu"):
        call_command("bundle", "there", out=tmp_path / "again")
    with pytest.raises(CommandError, match="is reached by 'Subprocess on the host', not by"):
        call_command("bundle", "here-ethos-u", out=tmp_path / "again")


def test_only_administrators_import(people: People) -> None:
    client = Client()
    client.force_login(people.owner)
    assert client.get(IMPORT).status_code == 302
