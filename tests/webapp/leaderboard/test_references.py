"""The uniform study of the benchmark, on the site: the file that is in the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.conftest import ROOT
from webapp.leaderboard.models import Reference

pytestmark = pytest.mark.django_db
STUDY = ROOT / "docs" / "benchmarks" / "targets.json"


def test_the_study_is_taken_in_once_and_shown() -> None:
    for _ in range(2):
        call_command("import_references", STUDY)
    rows = json.loads(STUDY.read_text())["rows"]
    assert Reference.objects.count() == sum(len(row["values"]["arms"]) for row in rows)
    page = Client().get("/references/").content.decode()
    row = rows[0]["values"]["arms"]["relu"]
    assert f"{row['ratio']:.3f}×" in page
    assert "YOLO11n" in page


def test_another_file_changes_nothing(tmp_path: Path) -> None:
    document = json.loads(STUDY.read_text())
    document["rows"][-1]["inputs"]["target"] = "abacus"
    strange, other = tmp_path / "strange.json", tmp_path / "other.json"
    strange.write_text(json.dumps(document))
    other.write_text('{"schema": "actnas.numbers/1"}')
    with pytest.raises(CommandError, match="'abacus' is no target"):
        call_command("import_references", strange)
    with pytest.raises(CommandError, match=r"needed: actnas\.uniform/1"):
        call_command("import_references", other)
    assert not Reference.objects.exists()
    assert "None yet" in Client().get("/references/").content.decode()
