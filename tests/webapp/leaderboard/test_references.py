"""The uniform study of the benchmark, on the site: the file that is in the repository."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from devices import targets
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


def test_measured_figures_keep_their_interval_and_what_they_were_measured_on(
    tmp_path: Path,
) -> None:
    """On a GPU the card, elsewhere the processor: equal processors may hold different cards."""
    document = json.loads(STUDY.read_text())
    machine = {"cpu": {"model name": "Some CPU"}, "gpu": {"name": "Some GPU"}}
    places = {"cpu-onnxruntime-fp32": "Some CPU", "gpu-onnxruntime-cuda-fp16": "Some GPU"}
    rows = []
    for name in places:
        row = copy.deepcopy(document["rows"][0])
        row["inputs"]["target"] = name
        row["values"]["kind"] = "measured"
        row["values"]["target"] = asdict(targets.get(name))
        row["values"]["provenance"]["machine"] = machine
        for arm in row["values"]["arms"].values():
            arm["interval"] = [0.9 * arm["ratio"], 1.1 * arm["ratio"]]
        rows.append(row)
    study = tmp_path / "study.json"
    study.write_text(json.dumps({**document, "rows": rows}))
    call_command("import_references", study)
    for name, on in places.items():
        found = Reference.objects.get(target=name, activation="relu")
        assert (found.kind, found.device_model) == ("measured", on)
        assert found.ratio_low == pytest.approx(0.9 * found.ratio)
        assert found.ratio_high == pytest.approx(1.1 * found.ratio)


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
