"""A site whose files lie in S3-compatible storage: what people see is the same."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from tests.browser import factories
from tests.webapp.conftest import API, People, Worker, api_client
from tests.webapp.storage.conftest import objects
from tests.webapp.test_validation import YAML_BAIT, zipped
from webapp import environment as env
from webapp.catalog import services as catalog
from webapp.catalog.choices import UploadState
from webapp.jobs.choices import Kind, State
from webapp.jobs.context import JobContext
from webapp.jobs.models import Job
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry
from webapp.searches import surroundings
from webapp.searches.models import SearchRequest, Training

pytestmark = pytest.mark.django_db(transaction=True)

NPU = "npu-ethos-u55-128-int8"


def publish(people: People, *, visibility: str = "public") -> Entry:
    """An entry that another host's worker published: nothing of it is on this machine."""
    _, npu = factories.pool()
    detector, data_set = factories.detector(people.owner), factories.data_set(people.owner)
    request = factories.request(
        people.owner, detector, data_set, name="Tea party", target_ids=[NPU]
    )
    SearchRequest.objects.filter(pk=request.pk).update(visibility=visibility)
    request.refresh_from_db()
    search, (entry, *_) = factories.finished_search(request, NPU, npu, seed=1)
    search.folder.put()
    shutil.rmtree(search.path)
    return entry


def test_a_data_set_is_checked_and_shared(
    people: People, remote: str, work: Worker, molecules: Path, site: Path, s3_server: str
) -> None:
    rings = catalog.upload_data_set(
        owner=people.owner, file=SimpleUploadedFile("rings.zip", zipped(molecules))
    )
    bad = catalog.upload_model(owner=people.owner, file=SimpleUploadedFile("bad.yaml", YAML_BAIT))
    work("validate")
    rings.refresh_from_db()
    bad.refresh_from_db()
    assert (rings.state, rings.reason) == (UploadState.READY, "")
    assert bad.state == UploadState.REFUSED
    assert objects(s3_server, remote, f"files/models/{bad.pk}") == []
    shutil.rmtree(site / "work")  # another host
    folder = rings.shared.fetch()
    assert len(list(folder.rglob("*.png"))) == 48
    client = api_client(people.owner)
    assert client.get(f"/data-sets/{rings.pk}/0.webp").status_code == 404  # a token is no sign-in
    client.force_login(people.owner)
    picture = client.get(f"/data-sets/{rings.pk}/0.webp")
    assert b"".join(picture.streaming_content)[8:12] == b"WEBP"  # type: ignore[attr-defined]


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_files_are_for_those_who_may_see_the_entry(
    people: People, remote: str, visibility: str
) -> None:
    entry = publish(people, visibility=visibility)
    stranger = 200 if visibility == "public" else 404
    name = Path(entry.file).name
    for user, expected in {people.owner: 200, people.stranger: stranger, None: stranger}.items():
        answer = api_client(user).get(f"{API}/entries/{entry.pk}/files/{name}")
        assert answer.status_code == expected
        browser = Client()
        if user is not None:
            browser.force_login(user)
        page = browser.get(f"/entries/{entry.pk}/files/{name}")
        assert page.status_code == expected
        for got in (answer, page):
            if expected == 200:
                content = b"".join(got.streaming_content)  # type: ignore[attr-defined]
                assert entry.search.folder.sizes([entry.file]) == {entry.file: len(content)}
    client = api_client(people.owner)
    assert client.get(f"{API}/entries/{entry.pk}/files/result.json").status_code == 404


@pytest.mark.slow
def test_a_snapshot_is_exported_and_rewritten(
    people: People, remote: str, work: Worker, site: Path
) -> None:
    publish(people)
    kept = snapshots.take(Entry.objects.listed(), title="x", query="", is_ranking=True)
    for _ in range(2):
        work("validate")
        shutil.rmtree(site / "work")  # the web process is on another machine
        kept.refresh_from_db()
        assert kept.job is not None
        assert (kept.job.state, kept.job.reason) == (State.FINISHED, "")
        assert [kind for kind, _ in snapshots.sizes(kept)] == list(snapshots.FORMATS)
        got = Client().get(f"/snapshots/{kept.pk}/entries.csv")
        assert b"Tea party" in b"".join(got.streaming_content)  # type: ignore[attr-defined]
        snapshots.export_again(kept)


def test_a_checkpoint_reaches_other_hosts(
    remote: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.objects.create(kind=Kind.TRAIN, queue="train")
    training = Training.objects.create(hash="ab" * 8, title="adapt", spec={}, job=job)
    services = surroundings.TrainingSurroundings(JobContext(job), training)
    checkpoint = training.path / "adapt-checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"epoch 1")
    services.pause_point()
    assert training.folder.stored() == {}  # not after every batch
    monkeypatch.setattr(surroundings, "_PUT_EVERY_S", 0.0)
    services.pause_point()
    checkpoint.write_bytes(b"epoch 2, never stored")
    settings.FOLDERS = tmp_path / "another-host"
    training.folder.fetch()
    assert (training.path / "adapt-checkpoint.pt").read_bytes() == b"epoch 1"


def test_everything_of_an_account_goes(people: People, remote: str, s3_server: str) -> None:
    publish(people)
    assert objects(s3_server, remote, "work/searches/")
    client = Client()
    client.login(username="alice", password="a-curious-password-7")
    client.post("/accounts/delete/", {"password": "a-curious-password-7"})
    assert objects(s3_server, remote) == []


def test_a_backup_moves_a_site_to_the_disk_and_back(
    people: People, remote: str, settings: Settings, tmp_path: Path
) -> None:
    entry = publish(people)
    address = f"{API}/entries/{entry.pk}/files/{Path(entry.file).name}"

    def got() -> bytes:
        return b"".join(Client().get(address).streaming_content)  # type: ignore[attr-defined]

    before, s3_storages = got(), settings.STORAGES
    call_command("backup", str(tmp_path / "s3.tar.gz"), stdout=io.StringIO())

    def move(name: str, archive: str) -> None:
        call_command("flush", interactive=False, verbosity=0)
        settings.VAR = tmp_path / name
        settings.FOLDERS, settings.ARTEFACTS = settings.VAR / "work", settings.VAR / "artefacts"
        call_command("restore", str(tmp_path / archive), stdout=io.StringIO())

    local = {"location": str(tmp_path / "disk" / "storage"), "base_url": None}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        "default": {"BACKEND": backend, "OPTIONS": local},
        "staticfiles": s3_storages["staticfiles"],
    }
    move("disk", "s3.tar.gz")
    assert got() == before
    call_command("backup", str(tmp_path / "disk.tar.gz"), stdout=io.StringIO())
    entry.search.folder.remove()
    settings.STORAGES = s3_storages
    entry.search.folder.remove()  # from the bucket
    move("cloud", "disk.tar.gz")
    shutil.rmtree(tmp_path / "cloud" / "work")
    assert got() == before


@pytest.mark.slow
def test_a_storage_that_is_away_is_no_ones_fault(
    people: People, remote: str, environment: dict[str, str], work: Worker
) -> None:
    model = catalog.upload_model(
        owner=people.owner, file=SimpleUploadedFile("yolov8n.yaml", b"nc: 2\n")
    )
    environment["ACTNAS_S3_ENDPOINT"] = "http://127.0.0.1:9"  # nobody listens there
    work("validate")
    assert model.job is not None
    model.job.refresh_from_db()
    assert model.job.fault != "user"
    assert "127.0.0.1" not in model.job.reason + model.job.message
    model.refresh_from_db()
    assert model.file.read() == b"nc: 2\n"  # what we failed to check can be checked again


def test_keys_come_together_and_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACTNAS_S3_BUCKET", "bucket")
    monkeypatch.setenv("ACTNAS_S3_ACCESS_KEY", "one")
    with pytest.raises(ImproperlyConfigured, match="go together"):
        env.storages(tmp_path)
    (tmp_path / "key").write_text("two\n")
    monkeypatch.setenv("ACTNAS_S3_SECRET_KEY_FILE", str(tmp_path / "key"))
    options = env.storages(tmp_path)["work"]["OPTIONS"]
    assert (options["access_key"], options["secret_key"]) == ("one", "two")
    monkeypatch.setenv("ACTNAS_S3_SECRET_KEY", "three")
    with pytest.raises(ImproperlyConfigured, match="are both set"):
        env.storages(tmp_path)
    monkeypatch.setenv("ACTNAS_S3_SECRET_KEY", "")
    monkeypatch.setenv("ACTNAS_S3_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="none"):
        env.storages(tmp_path)
