"""Backup and restore: the same site afterwards, or nothing at all and one line why."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from tests.browser import factories
from tests.webapp.conftest import PASSWORD, api_client
from webapp.accounts.models import ApiToken
from webapp.catalog.models import Detector
from webapp.jobs.choices import Kind, State
from webapp.jobs.models import Job
from webapp.leaderboard.models import Entry
from webapp.ops.backup import database
from webapp.ops.backup.archive import writing
from webapp.pool.models import Host

pytestmark = pytest.mark.django_db(transaction=True)

Empty = Callable[[], Path]
_CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"')  # drawn anew for every page


@pytest.fixture
def empty_site(settings: Settings, tmp_path: Path) -> Empty:
    """Makes the site an empty one: no rows but those of migrations, new folders; its folder."""

    def make() -> Path:
        call_command("flush", interactive=False, verbosity=0)
        folder = tmp_path / "new"
        settings.VAR = folder
        settings.FOLDERS = folder / "work"
        settings.ARTEFACTS = folder / "artefacts"
        storages = {name: dict(options) for name, options in settings.STORAGES.items()}
        storages["default"]["OPTIONS"] = {"location": str(folder / "storage"), "base_url": None}
        settings.STORAGES = storages
        return folder

    return make


def is_empty(folder: Path) -> bool:
    """No row and no file: as if nobody had tried."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    leftovers = list(folder.glob("restore-*")) if folder.exists() else []
    return database.in_the_way() is None and not files and not leftovers


def backup(out: Path) -> Path:
    said = io.StringIO()
    call_command("backup", str(out), stdout=said)
    assert f"{out}: " in said.getvalue()
    return out


def restore(path: Path) -> str:
    said = io.StringIO()
    call_command("restore", str(path), stdout=said)
    return said.getvalue()


def pages(entry: str) -> dict[str, bytes]:
    """What a visitor gets: lists as JSON and as pages, an entry, its files."""
    client = Client()
    paths = ["/api/v1/leaderboard", "/?target=all"]
    paths += [f"/api/v1/entries/{entry}", f"/entries/{entry}/"]
    for name in Entry.objects.get(pk=entry).files:
        paths.append(f"/api/v1/entries/{entry}/files/{name}")
    got = {}
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        body = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]
        got[path] = _CSRF.sub(b"", body)
    return got


def populated() -> tuple[str, str]:
    """Wonderland, with stored files and a running job; an entry's id and the text of a token."""
    factories.populate()
    alice = User.objects.get(username="alice")
    model = Detector.objects.get(owner=alice)
    model.file.save("cheshire.pt", ContentFile(b"grin" * 9000))
    _, token = ApiToken.objects.issue(user=alice, name="script")
    waiting = Job.objects.create(kind=Kind.SEARCH, queue="search", owner=alice, state=State.WAITING)
    running = Job.objects.create(
        kind=Kind.TRAIN, queue="train", state=State.RUNNING, worker="old-host:1:1", attempt=2
    )
    waiting.waits_for.add(running)
    Host.objects.update(leased_by=running)
    return Entry.objects.listed().order_by("pk")[0].pk, token


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_a_restored_site_is_the_same_site(
    suffix: str, tmp_path: Path, site: Path, empty_site: Empty
) -> None:
    entry, token = populated()
    artefact = site / "artefacts" / "ab" / "model.bin"
    artefact.parent.mkdir(parents=True)
    artefact.write_bytes(b"converted")
    (site / "work" / "searches" / "half.json.part").write_text("{")  # being written
    before = pages(entry)
    times = dict(Entry.objects.values_list("pk", "created"))
    out = backup(tmp_path / f"site{suffix}")
    assert out.stat().st_mode & 0o077 == 0  # it holds everybody's private models

    folder = empty_site()
    assert "tokens" not in restore(out)
    assert pages(entry) == before
    assert dict(Entry.objects.values_list("pk", "created")) == times  # to the microsecond
    model = Detector.objects.get(owner__username="alice")
    assert model.file.read() == b"grin" * 9000
    assert (folder / "artefacts" / "ab" / "model.bin").read_bytes() == b"converted"
    assert not list(folder.rglob("*.part"))
    assert not list(folder.glob("restore-*"))
    # People, their passwords and their tokens.
    assert Client().login(username="hatter", password=factories.PASSWORD)
    script = Client(headers={"Authorization": f"Bearer {token}"})
    assert script.get("/api/v1/users/me").status_code == 200
    # What ran runs again, and nobody holds a lease.
    job = Job.objects.get(kind=Kind.TRAIN)
    assert (job.state, job.attempt, job.worker) == (State.QUEUED, 2, "")
    assert Job.objects.get(state=State.WAITING).waits_for.get() == job
    assert not Host.objects.filter(leased_by__isnull=False).exists()
    # New rows get new numbers.
    assert Job.objects.create(kind=Kind.TRAIN, queue="train").pk > job.pk


def test_it_goes_into_an_empty_site_only(tmp_path: Path, empty_site: Empty) -> None:
    factories.user("alice")
    out = backup(tmp_path / "site.tar.gz")
    with pytest.raises(CommandError, match=r"into an empty site; here is 1 rows of auth.User$"):
        restore(out)
    folder = empty_site()
    kept = folder / "storage" / "somebody.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(CommandError, match="here is the stored file"):
        restore(out)
    assert kept.read_text() == "mine"
    assert database.in_the_way() is None


def test_every_row_of_a_backup_finds_its_file(tmp_path: Path, empty_site: Empty) -> None:
    """While the backup is made, somebody uploads one model after the other."""
    alice = factories.user("alice")
    enough = threading.Event()
    first = threading.Event()

    def upload() -> None:
        for number in range(10_000):
            if enough.is_set():
                break
            model = factories.detector(alice, name=f"model {number}")
            model.file.save("m.pt", ContentFile(b"%d" % number * 1000))
            first.set()
        connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        assert first.wait(10)
        out = backup(tmp_path / "site.tar.gz")
    finally:
        enough.set()
        thread.join()
    empty_site()
    restore(out)
    stored = Detector.objects.exclude(file="")
    assert stored.exists()
    for model in stored:
        number = int(model.name.split()[1])
        assert model.file.read() == b"%d" % number * 1000


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda data: data[: len(data) // 2],
    "its end cut off": lambda data: data[:-2000],
    "one byte flipped": flip,
    "empty": lambda data: b"",
    "something else": lambda data: b"PK\x03\x04 this is a zip" * 50,
}


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_refused_whole(
    what: str, suffix: str, tmp_path: Path, site: Path, empty_site: Empty
) -> None:
    factories.user("alice")
    noise = site / "artefacts" / "noise.bin"  # does not shrink: the middle of the file is in it
    noise.parent.mkdir(parents=True)
    noise.write_bytes(b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(4000)))
    out = backup(tmp_path / f"site{suffix}")
    out.write_bytes(DAMAGE[what](out.read_bytes()))
    folder = empty_site()
    with pytest.raises(CommandError) as refused:
        restore(out)
    line = str(refused.value)
    assert line.startswith(f"site{suffix} ")
    assert "\n" not in line
    assert is_empty(folder)


def head(**changes: object) -> bytes:
    document = {
        "format": "actnas.backup/1",
        "version": "0.1.0",
        "migrations": database.migrations(),
        "key": "",
    }
    return json.dumps(document | changes).encode()


def tar(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> Path:
    """A tar.gz made by hand."""
    with gzip.open(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
                continue
            name, data = member
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.pax_headers = {"ACTNAS.sha256": hashlib.sha256(data).hexdigest()}
            made.addfile(info, io.BytesIO(data))
    return path


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("readme.txt", b"hello")], "does not start with backup.json"),
        ([("backup.json", b"[]")], "backup.json is no document"),
        ([("backup.json", b'{"format": "actnas.backup/9"}')], "has the format 'actnas.backup/9'"),
        ([None, ("../evil", b"x")], "holds '../evil', which has no place"),
        ([None, ("storage/../../evil", b"x")], "which has no place"),
        ([None, ("/etc/evil", b"x")], "holds '/etc/evil', which has no place"),
        ([None, ("home/evil", b"x")], "which has no place"),
        ([None, link("storage/a", "/etc/passwd")], "neither a file nor a folder"),
        ([None, ("storage/a", b"x"), ("storage/a", b"y")], "holds 'storage/a' twice"),
        ([None, ("storage/a", b"x")], "is not complete"),
        ([None, ("storage/a", b"x"), ("end.json", b'{"members": 7}')], "members are missing"),
    ],
)
def test_a_foreign_archive_is_refused_whole(
    members: list[tuple[str, bytes] | tarfile.TarInfo | None],
    said: str,
    tmp_path: Path,
    empty_site: Empty,
) -> None:
    folder = empty_site()
    path = tar(tmp_path / "x.tar.gz", [m or ("backup.json", head()) for m in members])
    with pytest.raises(CommandError, match=said):
        restore(path)
    assert is_empty(folder)
    assert not (tmp_path / "evil").exists()


def test_another_versions_schema_is_refused(tmp_path: Path, empty_site: Empty) -> None:
    folder = empty_site()
    newer = head(version="7.0", migrations=[*database.migrations(), "jobs.0099_later"])
    path = tar(tmp_path / "x.tar.gz", [("backup.json", newer)])
    with pytest.raises(CommandError, match=r"of version 7.0, .* jobs.0099_later is not known"):
        restore(path)
    older = head(migrations=database.migrations()[1:])
    path = tar(tmp_path / "y.tar.gz", [("backup.json", older)])
    with pytest.raises(CommandError, match=r"it lacks the migration accounts\.0001_initial"):
        restore(path)
    assert is_empty(folder)


def test_rows_that_do_not_fit_leave_nothing(tmp_path: Path, empty_site: Empty) -> None:
    """Whole by its hashes, and yet a row points nowhere."""
    folder = empty_site()
    path = tmp_path / "x.tar.gz"
    lost = {"model": "jobs.job_needs", "pk": 1, "fields": {"from_job": 5, "to_job": 6}}
    with path.open("wb") as stream, writing(path, stream, json.loads(head())) as writer:
        for model in database.kept():
            label = model._meta.label
            rows = json.dumps(lost) + "\n" if label == "jobs.Job_needs" else ""
            writer.add(f"database/{label}.jsonl", io.BytesIO(rows.encode()))
        writer.add("storage/a.txt", io.BytesIO(b"x"))
    with pytest.raises(CommandError, match="its rows do not fit this database"):
        restore(path)
    assert is_empty(folder)


def test_a_backup_overwrites_nothing_and_needs_a_known_name(tmp_path: Path) -> None:
    there = tmp_path / "site.tar.gz"
    there.write_text("precious")
    with pytest.raises(CommandError, match="exists; a backup overwrites nothing"):
        backup(there)
    with pytest.raises(CommandError, match=r"must end with .tar.zst or .tar.gz"):
        backup(tmp_path / "site.zip")
    with pytest.raises(CommandError, match="No such file or directory"):
        backup(tmp_path / "nowhere" / "site.tar.gz")
    assert there.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site.tar.gz"]


def test_another_secret_key_is_mentioned(
    tmp_path: Path, empty_site: Empty, settings: Settings
) -> None:
    owner = User.objects.create_user("alice", password=PASSWORD)
    client = api_client(owner)
    out = backup(tmp_path / "site.tar.gz")
    empty_site()
    settings.SECRET_KEY = "another"
    assert "API tokens need the old ACTNAS_SECRET_KEY" in restore(out)
    assert client.get("/api/v1/users/me").status_code == 401
