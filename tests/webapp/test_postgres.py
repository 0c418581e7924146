"""The site on PostgreSQL: it comes up on an empty database, and jobs live there as on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_database: str) -> str:
    return postgres_database


def run(*arguments: str, database: str, var: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "ACTNAS_DATABASE_URL": database, "ACTNAS_VAR": str(var)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_comes_up_on_an_empty_database_twice(database: str, tmp_path: Path) -> None:
    for _ in range(2):
        said = run("manage.py", "bootstrap", "--host", "h", database=database, var=tmp_path)
        assert "host h: 2 devices" in said
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pool_device").fetchone()
    assert row == (2,)


@pytest.mark.slow
def test_jobs_are_claimed_recovered_and_awaited_on_it(database: str, tmp_path: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-m", "not postgres"]
    said = run(
        "-m",
        "pytest",
        *options,
        "tests/webapp/jobs",
        "tests/webapp/test_quotas.py",
        database=database,
        var=tmp_path,
    )
    assert " passed" in said


@pytest.mark.slow
def test_a_backup_goes_from_it_to_it(database: str, tmp_path: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-m", "not postgres"]
    path = "tests/webapp/ops/test_backup.py"
    said = run("-m", "pytest", *options, path, database=database, var=tmp_path)
    assert " passed" in said


_POPULATE = "from tests.browser.factories import populate; populate()"
_RANKING = """
from django.test import Client
from webapp.leaderboard.models import Entry
entry = Entry.objects.listed().order_by("pk")[0]
name = sorted(entry.files)[0]
file = Client().get(f"/api/v1/entries/{entry.pk}/files/{name}")
print(Client().get("/api/v1/leaderboard").content, b"".join(file), entry.created.isoformat())
"""


def test_a_site_moves_from_sqlite_to_it(database: str, tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "site.tar.zst"
    sqlite = f"sqlite://{old}/actnas.sqlite3"
    shell = ("manage.py", "shell", "--no-imports", "--command")
    run("manage.py", "migrate", database=sqlite, var=old)
    run(*shell, _POPULATE, database=sqlite, var=old)
    run("manage.py", "backup", str(file), database=sqlite, var=old)
    said = run("manage.py", "restore", str(file), database=database, var=new)
    assert "is back: " in said
    before = run(*shell, _RANKING, database=sqlite, var=old)
    assert run(*shell, _RANKING, database=database, var=new) == before
    # Numbers go on after the last one.
    job = "from webapp.jobs.models import Job; Job.objects.create(kind='train', queue='train')"
    run(*shell, job, database=database, var=new)
