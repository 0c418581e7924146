"""The site on PostgreSQL: it comes up on an empty database, and jobs live there as on SQLite."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.conftest import ROOT

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_database: str) -> str:
    return postgres_database


def run(*arguments: str, database: str, var: Path, errors: bool = False) -> str:
    """What it wrote to stdout; with ``errors`` what it wrote to stderr."""
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
    return done.stderr if errors else done.stdout


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


_PLANS = """
from tests.benchmarks.load import entries
from webapp.leaderboard.selection import Selection, current
entries.prepare()
entries.fill(20_000)
for target in ("cpu-openvino-fp32", "all"):
    for word in ("jabberwock", "gryphon"):
        asked = {"target": target, "q": word}
        print(word, Selection(current()[1], asked).entries()[:26].explain().replace("\\n", " "))
"""


def test_a_rare_word_is_found_by_an_index_and_a_common_one_in_the_order(
    database: str, tmp_path: Path
) -> None:
    run("manage.py", "migrate", "-v", "0", database=database, var=tmp_path)
    shell = ("manage.py", "shell", "--no-imports", "--command")
    plans = run(*shell, _PLANS, database=database, var=tmp_path).splitlines()
    rare, common, wide_rare, wide_common = plans[-4:]
    for plan in (rare, wide_rare):
        assert "Bitmap Index Scan on entry_words" in plan
    assert "entry_in_rank" in common
    assert "entry_by_created" in wide_common


@pytest.mark.slow
def test_without_the_right_to_an_extension_there_is_no_such_index(
    database: str, tmp_path: Path
) -> None:
    """And that is said, and nothing else is missing."""
    name, password = f"weak_{secrets.token_hex(4)}", secrets.token_hex(8)
    login = urlsplit(database)
    weak = login._replace(netloc=f"{name}:{password}@{login.hostname}:{login.port}")
    with psycopg.connect(database, autocommit=True) as connection:
        role = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
        connection.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(role))
        try:
            arguments = ("manage.py", "migrate", "-v", "0")
            said = run(*arguments, database=urlunsplit(weak), var=tmp_path, errors=True)
            assert "text search has no index" in said
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
