"""The whole site, running: web server, Redis, agent, workers; and a script that uses the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ultralytics

from engine.remote import Client
from tests.conftest import ROOT
from webapp.demo.stack import Stack

NPU = "npu-ethos-u55-128-int8"
YAML = Path(ultralytics.__file__).parent / "cfg" / "models" / "v8" / "yolov8.yaml"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    with Stack(tmp_path / "site") as running:
        yield running


def signed_up(stack: Stack) -> Client:
    script = Client(stack.url)
    script.sign_up(username="scripted", password="a-curious-password-7")
    return script


def test_a_script_gets_a_cost_study(stack: Stack, tmp_path: Path) -> None:
    script = signed_up(stack)
    path = tmp_path / "yolov8n.yaml"
    path.write_bytes(YAML.read_bytes())
    model = script.ready("models", script.upload(path)["id"])
    assert (model["state"], model["family"], len(model["sites"])) == ("ready", "YOLOv8n", 57)
    wish = {"model": model["id"], "targets": [NPU], "activations": ["relu", "silu"], "imgsz": 64}
    *_, request = script.watch(script.search(wish)["id"], limit_s=240)
    (search,) = request["searches"]
    assert search["state"] == "finished", search
    assert {stage["state"] for stage in search["stages"]} == {"finished"}
    result = script.result(search["id"])
    schema = json.loads((ROOT / "docs" / "schemas" / "result.schema.json").read_text())
    jsonschema.validate(result, schema)
    assert result["verdict"]["kind"] == "cost_study"
    assert search["verdict"] == result["verdict"]["sentence"]
    assert search["entries"] == []  # nothing was scored, so nothing is published
