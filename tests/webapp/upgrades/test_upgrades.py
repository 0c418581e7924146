"""From every released version to this one: schema and rows; and between releases, no loose end."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

import devices
from tests.conftest import ROOT
from tests.webapp.upgrades.record import RELEASES, migrations

PATHS = sorted(RELEASES.glob("*.json.gz"))
# What later versions changed on purpose: line of upgrade.py -> why.
MEANT: dict[str, str] = {
    "pool.Device.enabled: there is no such column any more": "its health says it",
}


def named(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return document


def upgrade(path: Path, *, var: Path, database: str | None = None) -> dict[str, Any]:
    """What upgrade.py prints, in an empty site."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "ACTNAS_VAR": str(var),
        "ACTNAS_DATABASE_URL": database or f"sqlite://{var}/actnas.sqlite3",
        "ACTNAS_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.webapp.upgrades.upgrade", str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_a_released_site_comes_up_to_this_version_with_its_rows(path: Path, tmp_path: Path) -> None:
    said = upgrade(path, var=tmp_path)
    assert [line for line in said["changes"] if line not in MEANT] == []
    assert {page: status for page, status in said["pages"].items() if status != 200} == {}


@pytest.mark.postgres
@pytest.mark.parametrize("path", PATHS, ids=named)
def test_also_on_postgresql(path: Path, tmp_path: Path, postgres_database: str) -> None:
    said = upgrade(path, var=tmp_path, database=postgres_database)
    assert [line for line in said["changes"] if line not in MEANT] == []
    assert {page: status for page, status in said["pages"].items() if status != 200} == {}


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_what_was_released_is_not_rewritten(path: Path) -> None:
    """A site that has run a migration never runs it again: changing it would split the sites."""
    ours = migrations()
    for name, digest in read(path)["migrations"].items():
        assert name in ours, f"{name} was released with {named(path)} and is gone"
        assert not digest or ours[name] == digest, f"{name} was changed after {named(path)}"


def test_this_version_is_on_record() -> None:
    assert devices.__version__ in {named(path) for path in PATHS}, (
        "run python -m tests.webapp.upgrades.record when a version is released"
    )


@pytest.mark.django_db
def test_the_models_have_no_change_without_a_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=3)
