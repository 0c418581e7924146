"""The uniform study: a lease is measured once, and its page and file are what a site takes in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from devices import targets
from devices.errors import Unsupported
from devices.protocol import MeasureJob, MeasureResult
from devices.transports import local
from tests.benchmarks.devices import page, study
from tests.benchmarks.rows import Rows
from webapp.leaderboard.models import Reference

U55 = "npu-ethos-u55-128-int8"


@pytest.mark.django_db
def test_what_is_refused_is_named_and_the_rest_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, leases = local.run, list[list[str]]()

    def run(job: MeasureJob, *, timeout_s: float) -> MeasureResult:
        leases.append([arm.name for arm in job.arms])
        if "gelu" in leases[-1]:
            raise Unsupported("activation 'gelu' is not for this target")
        return real(job, timeout_s=timeout_s)

    monkeypatch.setattr(local, "run", run)
    monkeypatch.setattr(study, "ACTIVATIONS", ("silu", "relu", "gelu"))
    monkeypatch.setattr(page, "ACTIVATIONS", ("silu", "relu", "gelu"))
    rows = Rows(tmp_path / "rows", packages=("ethos-u-vela",))
    target = targets.get(U55)
    made = study.add(rows, tmp_path, "YOLOv5n", 96, target)
    row = study.add(rows, tmp_path, "YOLOv5n", 96, target)  # now from its file
    assert row == json.loads(json.dumps(made))
    assert leases == [["silu", "relu", "gelu"], ["silu", "relu"]]
    assert row["values"]["refused"] == {"gelu": "activation 'gelu' is not for this target"}
    relu = row["values"]["arms"]["relu"]
    assert relu["ratio"] < relu["ratio_one_table"] <= 1.01

    page.write(rows, tmp_path)
    written = (tmp_path / "targets.md").read_text()
    assert f"{relu['ratio']:.3f}, {relu['ratio_one_table']:.3f}" in written
    assert "*refused*" in written
    (kept,) = json.loads((tmp_path / "targets.json").read_text())["rows"]
    assert kept["values"] == {k: v for k, v in row["values"].items() if k != "samples_ms"}
    call_command("import_references", tmp_path / "targets.json")
    assert Reference.objects.get(activation="relu").ratio == relu["ratio"]
