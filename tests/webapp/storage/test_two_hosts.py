"""A search on two machines that share a database, Redis and a bucket, and no disk."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.remote import Client
from tests.conftest import ROOT
from tests.webapp.storage.conftest import objects
from webapp.demo.molecules import pack
from webapp.demo.stack import Stack

NPU = "npu-ethos-u55-128-int8"


@contextmanager
def second_host(stack: Stack, folder: Path) -> Iterator[None]:
    """An agent with the devices and the trainings, and a disk of its own."""
    folder.mkdir()
    environment = {
        **stack.environment,
        "ACTNAS_VAR": str(folder),
        "ACTNAS_DATABASE_URL": f"sqlite://{stack.data}/actnas.sqlite3",  # stands for a server
    }
    command = [sys.executable, "manage.py", "agent", "--host", "local", "--queues", "train"]
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        agent.terminate()
        agent.wait(timeout=60)


@pytest.mark.slow
def test_a_search_from_start_to_end(
    s3: dict[str, str],
    s3_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    abd_checkpoint: Path,
    molecules: Path,
) -> None:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    one, two = tmp_path / "one", tmp_path / "two"
    pack(molecules, tmp_path / "rings.zip")
    shared = ("--no-devices", "--queues", "validate,search,deliver")
    with Stack(one, agent=shared) as stack, second_host(stack, two), Client(stack.url) as script:
        script.sign_up(username="scripted", password="a-curious-password-7")
        model = script.ready("models", script.upload(abd_checkpoint)["id"])
        data_set = script.ready("data-sets", script.upload(tmp_path / "rings.zip")["id"])
        wish = {
            "model": model["id"],
            "data_set": data_set["id"],
            "targets": [NPU],
            "activations": ["relu", "silu"],
            "imgsz": 160,
            "epochs": 3,
            "max_map_loss": 1.0,
        }
        *_, request = script.watch(script.search(wish)["id"], limit_s=1200)
        (search,) = request["searches"]
        assert search["state"] == "finished", search
        entry = script.entry(search["entries"][0])
        for name in entry["files"]:
            script.download(entry=entry["id"], name=name, into=tmp_path / name)
    digests = {
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in entry["files"]
    }
    assert entry["file_sha256"] in digests
    # Each did its part: what the second host never saw is the search's own folder.
    trained = {path.parent.name for path in two.glob("work/trainings/*/training.json")}
    assert trained
    assert not (two / "work" / "searches").exists()
    assert {path.parent.name for path in one.glob("work/trainings/*/training.json")} <= trained
    assert not (one / "storage").exists()
    bucket = s3["ACTNAS_S3_BUCKET"]
    kinds = {"/".join(key.split("/")[:2]) for key in objects(s3_server, bucket)}
    assert {"files/models", "files/data-sets", "work/data-sets", "work/searches"} <= kinds
    assert "work/trainings" in kinds
    (stored,) = (one / "work" / "searches").iterdir()
    asked = json.loads((stored / "request.json").read_text())
    assert str(tmp_path) not in json.dumps(asked)  # no host's own paths
