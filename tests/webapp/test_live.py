"""The whole site, running: web server, Redis, agent, workers; and a script that uses the API."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import ultralytics

from engine.remote import Client
from tests.conftest import ROOT
from webapp.demo.molecules import pack
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


@pytest.mark.slow
def test_a_search_survives_a_kill_in_every_stage(
    stack: Stack, tmp_path: Path, abd_checkpoint: Path, molecules: Path
) -> None:
    script = signed_up(stack)
    model = script.ready("models", script.upload(abd_checkpoint)["id"])
    pack(molecules, tmp_path / "rings.zip")
    rings = script.upload(tmp_path / "rings.zip")
    data_set = script.ready("data-sets", rings["id"])
    killed: set[str] = set()
    stored: dict[Path, int] = {}

    def strike(search: dict[str, Any]) -> None:
        """kill -9 on whatever works for the search, once a stage; note what is finished."""
        folder = stack.data / "work" / "searches" / search["id"] / "stages"
        for path in folder.glob("*.json"):
            stored.setdefault(path, path.stat().st_mtime_ns)
        if search["stage"] and search["stage"] not in killed and _kill_work_horses(stack.data):
            killed.add(search["stage"])

    wish = {
        "model": model["id"],
        "data_set": data_set["id"],
        "targets": [NPU],
        "activations": ["relu", "silu"],
        "imgsz": 160,
        "epochs": 3,
        "max_map_loss": 1.0,
    }
    for request in script.watch(script.search(wish)["id"], limit_s=2400):
        (search,) = request["searches"]
        strike(search)
    assert search["state"] == "finished", search
    assert len(killed) >= 6, killed
    assert search["entries"]
    # A finished stage is read, never run again: its file is the one that was first seen.
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    entry = script.entry(search["entries"][0])
    digests = [
        script.download(entry=entry["id"], name=name, into=tmp_path / Path(name).name)
        for name in entry["files"]
    ]
    assert entry["file_sha256"] in digests


def _kill_work_horses(data: Path) -> int:
    """kill -9 on every process that runs a job of the site in ``data``; how many that were."""
    count = 0
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            parent = process.parent()
            if (
                parent is not None
                and "worker" in parent.cmdline()
                and parent.environ().get("ACTNAS_VAR") == str(data)
            ):
                process.kill()
                count += 1
    return count
