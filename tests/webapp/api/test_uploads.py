"""Uploads: stored as they stream in, never parsed by the web process, seen by who may."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from tests.webapp.conftest import API, People, api_client
from webapp.catalog.models import DataSet, Detector
from webapp.jobs import queues
from webapp.jobs.choices import Kind

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT = b"not really a checkpoint" * 4000


def upload(client: Client, path: str = "models", file_name: str = "mine.pt", **data: str) -> Any:
    file = SimpleUploadedFile(file_name, CONTENT)
    return client.post(f"{API}/{path}", {"file": file, **data})


def test_a_model_is_stored_hashed_and_queued_for_its_check(people: People, site: Path) -> None:
    answer = upload(api_client(people.owner), file_name="my model.pt", visibility="public")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["state"], body["job"]["state"], body["job"]["position"]) == (
        "uploaded",
        "queued",
        1,
    )
    assert (body["name"], body["file_name"]) == ("my model", "my model.pt")
    assert body["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    detector = Detector.objects.get(pk=body["id"])
    assert default_storage.open(str(detector.file.name)).read() == CONTENT
    assert Path(detector.file.path).is_relative_to(site / "storage")
    assert detector.job is not None
    assert detector.job.kind == Kind.VALIDATE_MODEL
    assert queues.length("validate") == 1


def test_a_data_set_goes_the_same_way(people: People) -> None:
    answer = upload(api_client(people.owner), "data-sets", "set.zip", name="Rings")
    assert answer.status_code == 201, answer.content
    assert answer.json()["name"] == "Rings"
    assert DataSet.objects.get(job__kind=Kind.VALIDATE_DATA_SET).archive.name


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("models", "photo.png", "file 'photo.png' is not accepted here; accepted: .pt, .yaml"),
        ("models", "model", "accepted: .pt"),
        ("data-sets", "set.tar.gz", "accepted: .zip"),
    ],
)
def test_another_kind_of_file_is_refused(people: People, path: str, name: str, said: str) -> None:
    answer = upload(api_client(people.owner), path, name)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_an_empty_or_missing_file_is_refused(people: People) -> None:
    client = api_client(people.owner)
    empty = client.post(f"{API}/models", {"file": SimpleUploadedFile("a.pt", b"")})
    assert (empty.status_code, empty.json()["detail"]) == (422, "file 'a.pt' is empty")
    missing = client.post(f"{API}/models", {"name": "x"})
    assert (missing.status_code, missing.json()["detail"]) == (422, "file: Field required")


def test_a_file_above_the_cap_is_refused_and_not_kept(
    people: People, settings: Settings, site: Path
) -> None:
    settings.MAX_MODEL_BYTES = 1000
    answer = upload(api_client(people.owner))
    assert answer.status_code == 413
    assert "the largest accepted has 1,000" in answer.json()["detail"]
    assert not Detector.objects.exists()
    assert not [path for path in site.rglob("*") if path.is_file()]


def test_a_huge_body_is_refused_before_it_is_read(people: People, settings: Settings) -> None:
    settings.MAX_MODEL_BYTES = settings.MAX_DATA_SET_BYTES = 1000
    headers = {"Content-Length": str(10**12)}
    answer = api_client(people.owner).post(f"{API}/models", b"", "text/plain", headers=headers)
    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    page = Client().post("/models/upload/", b"", "text/plain", headers=headers)
    assert page.status_code == 413
    assert b"<h1>Too large</h1>" in page.content


def test_names_cannot_leave_the_folder(people: People, site: Path) -> None:
    upload(api_client(people.owner), file_name="../../../../tmp/evil.pt")
    detector = Detector.objects.get()
    assert Path(detector.file.path).is_relative_to(site / "storage" / "models" / detector.pk)


def test_an_unknown_visibility_is_refused(people: People) -> None:
    answer = upload(api_client(people.owner), visibility="secret")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "unknown visibility 'secret'; known: private, public"


@pytest.mark.parametrize("path", ["models", "data-sets"])
def test_who_may_see_an_upload(people: People, path: str) -> None:
    name = "a.pt" if path == "models" else "a.zip"
    assert upload(Client(), path, name).status_code == 401
    private = upload(api_client(people.owner), path, name).json()["id"]
    public = upload(api_client(people.owner), path, name, visibility="public").json()["id"]
    expected = {
        people.owner: (200, 200),
        people.stranger: (404, 200),
        None: (404, 200),
        people.admin: (200, 200),
    }
    for user, codes in expected.items():
        client = api_client(user)
        seen = tuple(client.get(f"{API}/{path}/{key}").status_code for key in (private, public))
        assert seen == codes, user
    # What exists but is somebody else's looks like what does not exist.
    stranger = api_client(people.stranger)
    hidden = stranger.get(f"{API}/{path}/{private}").json()["detail"]
    absent = stranger.get(f"{API}/{path}/000000000000").json()["detail"]
    assert hidden.replace(private, "X") == absent.replace("000000000000", "X")
    assert stranger.get(f"{API}/{path}").json() == []
