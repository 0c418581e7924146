"""Uploads read in containers, as a site does it: what it needs, what it says while it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT
from tests.docker import validation
from tests.hostile.yamls import GOOD
from tests.webapp.conftest import People, Worker, wait_until
from tests.webapp.test_validation import checkpoint_with_bait
from webapp.catalog import contained, services
from webapp.catalog.choices import UploadState
from webapp.catalog.models import Detector
from webapp.ids import site_label
from webapp.jobs import beats, queues
from webapp.jobs.choices import Fault, State
from webapp.jobs.runner import execute

pytestmark = pytest.mark.django_db(transaction=True)

AWAY = "no Docker engine answers: No such file or directory"


def upload(people: People, name: str, content: bytes) -> Detector:
    return services.upload_model(owner=people.owner, file=SimpleUploadedFile(name, content))


@pytest.fixture
def away(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers are wanted, and there is no engine; nobody waits for it."""
    settings.VALIDATION_IMAGE = validation.IMAGE
    settings.VALIDATION_ENGINE = f"unix://{tmp_path}/no.sock"
    monkeypatch.setattr(contained, "PATIENCE_S", -1.0)


@pytest.mark.usefixtures("away")
def test_an_upload_waits_for_its_engine_and_nobodys_file_is_wrong(
    people: People, client: Client
) -> None:
    model = upload(people, "a.yaml", GOOD.encode())
    assert model.job is not None
    execute(model.job.pk)
    model.refresh_from_db()
    model.job.refresh_from_db()
    job = model.job
    assert (job.state, job.fault, job.attempt) == (State.QUEUED, Fault.NONE, 1)
    assert job.message == AWAY
    assert model.state != UploadState.REFUSED
    client.force_login(people.owner)
    assert AWAY in client.get(f"/models/{model.pk}/").content.decode()


@pytest.mark.usefixtures("away")
def test_readyz_says_that_uploads_cannot_be_read_until_they_can() -> None:
    connection = queues.connection()
    contained.tending()()
    wait_until(lambda: beats.lacks(connection, within_s=60), seconds=20)
    cache.clear()
    said = Client().get("/readyz").json()
    assert f"uploads: {AWAY}" in said["reasons"]
    beats.note(connection, "another", "")  # one host that can is enough
    cache.clear()
    assert "uploads" not in str(Client().get("/readyz").json()["reasons"])


def test_what_was_said_long_ago_counts_no_more() -> None:
    connection = queues.connection()
    beats.note(connection, "gone", "no image")
    assert beats.lacks(connection, within_s=60) == ["no image"]
    assert beats.lacks(connection, within_s=0) == []


@pytest.mark.parametrize(
    ("given", "is_open"),
    [
        ({}, "False"),
        ({"ACTNAS_SIGN_UP": "1"}, "True"),
        ({"ACTNAS_VALIDATION_IMAGE": "x", "ACTNAS_SIGN_UP": ""}, "True"),
        ({"ACTNAS_VALIDATION_IMAGE": "x", "ACTNAS_SIGN_UP": "0"}, "False"),
    ],
)
def test_sign_up_is_open_where_uploads_are_contained(
    tmp_path: Path, given: dict[str, str], is_open: str
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ACTNAS_")}
    said = subprocess.run(
        [sys.executable, "-c", "from webapp import settings; print(settings.SIGN_UP)"],
        cwd=ROOT,
        env={**clean, "ACTNAS_VAR": str(tmp_path), **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == is_open


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VALIDATION_ENGINE", "http://lab", "ssh://user@host or tcp://host:port is accepted"),
        ("VALIDATION_ENGINE", "tcp://10.0.0.9:2376", "needs TLS: name the folder"),
        ("VALIDATION_CPUSET", "two", 'ranges like "0-3,6" are accepted'),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(
    settings: Settings, name: str, value: str, said: str
) -> None:
    settings.VALIDATION_IMAGE = validation.IMAGE
    assert not [found for found in run_checks() if found.is_serious()]
    setattr(settings, name, value)
    (found,) = [found for found in run_checks() if found.is_serious()]
    assert found.id == "actnas.E001"
    assert said in found.msg


@pytest.mark.slow
@pytest.mark.docker
def test_uploads_are_checked_in_containers_by_a_worker(
    people: People, work: Worker, environment: dict[str, str], abd_checkpoint: Path, site: Path
) -> None:
    environment["ACTNAS_VALIDATION_IMAGE"] = validation.image()
    good = upload(people, "ABD.pt", abd_checkpoint.read_bytes())
    bait = upload(people, "bait.pt", checkpoint_with_bait(site / "bait"))
    work("validate")
    good.refresh_from_db()
    bait.refresh_from_db()
    assert (good.state, good.reason, len(good.sites)) == (UploadState.READY, "", 57)
    assert bait.state == UploadState.REFUSED
    assert bait.job is not None
    assert (bait.job.state, bait.job.fault) == (State.FAILED, Fault.USER)
    assert not (site / "bait").exists()
    assert not list((site / "work" / "boxes").rglob("*"))
    engine = docker.from_env()
    ours = {"label": f"actnas.site={site_label()}"}
    assert engine.containers.list(all=True, filters=ours) == []
    engine.close()
