"""Uploads through a real worker: real ones get ready, hostile and broken ones say why not."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.webapp.conftest import People, Worker, api_client
from webapp.catalog import services
from webapp.catalog.choices import UploadState
from webapp.catalog.models import DataSet, Detector
from webapp.jobs.choices import Fault, State

pytestmark = pytest.mark.django_db(transaction=True)


class _Bait:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.write_text, (self.path, "the code of an upload ran"))


def checkpoint_with_bait(path: Path) -> bytes:
    """A file laid out like torch.save's, whose pickle runs code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": _Bait(path)}))
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def zip_with(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


YAML_BAIT = b"""nc: 2
activation: __import__('os').system('touch BAIT')
backbone: [[-1, 1, Conv, [16, 3, 2]]]
head: [[[0], 1, Detect, [nc]]]
"""


def test_uploads_are_checked_by_a_worker(
    people: People, work: Worker, abd_checkpoint: Path, molecules: Path, site: Path
) -> None:
    bait = site / "bait"

    def model(name: str, content: bytes) -> Detector:
        return services.upload_model(owner=people.owner, file=SimpleUploadedFile(name, content))

    def data(name: str, content: bytes) -> DataSet:
        return services.upload_data_set(owner=people.owner, file=SimpleUploadedFile(name, content))

    weights = abd_checkpoint.read_bytes()
    good = model("ABD.pt", weights)
    rings = data("rings.zip", zipped(molecules))
    refused: dict[str, Detector | DataSet] = {
        "truncated": model("cut.pt", weights[: len(weights) // 2]),
        "runs code": model("bait.pt", checkpoint_with_bait(bait)),
        "yaml bait": model("bait.yaml", YAML_BAIT.replace(b"BAIT", str(bait).encode())),
        "no model": model("noise.onnx", b"\x00\x01\x02" * 50),
        "slip": data("slip.zip", zip_with("../../outside.txt")),
        "no yaml": data("empty.zip", zip_with("readme.txt")),
        "no zip": data("noise.zip", b"PK\x03\x04 noise"),
    }
    work("validate")

    good.refresh_from_db()
    assert (good.state, good.reason) == (UploadState.READY, "")
    assert (good.kind, good.family, good.has_weights) == ("pt", "YOLOv8n", True)
    assert (len(good.sites), len(good.names)) == (57, 147)
    assert good.original == {site["path"]: "silu" for site in good.sites}

    rings.refresh_from_db()
    assert (rings.state, rings.reason) == (UploadState.READY, "")
    assert rings.images == {"train": 24, "val": 12, "test": 12}
    assert (len(rings.version), len(rings.names)) == (64, 147)
    assert (rings.path / "data.yaml").is_file()
    assert [facts["split"] for facts in rings.thumbnails] == sorted(
        ["train", "val", "test"] * 4, key=["train", "val", "test"].index
    )
    assert all(facts["boxes"] for facts in rings.thumbnails)
    picture = api_client(people.owner).get(f"/data-sets/{rings.pk}/0.webp")
    assert picture.status_code == 404  # a page's address: tokens are for the API
    browser = Client()
    browser.force_login(people.owner)
    page = browser.get(f"/data-sets/{rings.pk}/")
    assert page.status_code == 200
    assert "Boxes a class" in page.content.decode()
    picture = browser.get(f"/data-sets/{rings.pk}/0.webp")
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/webp")
    assert browser.get(f"/data-sets/{rings.pk}/12.webp").status_code == 404

    assert not bait.exists()
    for what, upload in refused.items():
        upload.refresh_from_db()
        assert upload.state == UploadState.REFUSED, what
        assert upload.reason, what
        assert "\n" not in upload.reason, what
        assert "internal error" not in upload.reason, what
        job = upload.job
        assert job is not None
        assert (job.state, job.fault) == (State.FAILED, Fault.USER), what
        field = upload.file if isinstance(upload, Detector) else upload.archive
        assert not default_storage.exists(str(field.name)), what  # what was refused is not kept
    assert "cut.pt" in refused["truncated"].reason
    kept = {path.name for path in (site / "work" / "data-sets").iterdir()}
    assert kept == {rings.pk}
    assert not list(site.rglob("outside.txt"))
