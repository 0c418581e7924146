"""Site and device of two versions: each refuses the other's documents, and says which is which."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devices.errors import NotAResult, WrongProtocol
from devices.protocol import PROTOCOL, MeasureResult, read_job, read_result
from devices.run import run
from tests.conftest import ROOT
from tests.devices import jobs


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> MeasureResult:
    return run(jobs.job(tmp_path_factory.mktemp("job"), "cpu-onnxruntime-fp32", "relu"))


def test_a_device_refuses_a_job_of_another_protocol(tmp_path: Path) -> None:
    """Also one with fields that this version has never heard of."""
    document = json.loads(jobs.job(tmp_path, "cpu-onnxruntime-fp32").model_dump_json())
    path = tmp_path / "job.json"
    path.write_text(json.dumps({**document, "protocol": PROTOCOL + 1, "cooling": "tea"}))
    done = subprocess.run(
        [sys.executable, "-m", "devices", str(path), str(tmp_path / "result.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3  # not the fault of whoever asked for the measurement
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["kind"] == "WrongProtocol"
    assert said["error"].startswith(
        f"the job is of protocol {PROTOCOL + 1}, this side speaks protocol {PROTOCOL}: install"
    )


def test_the_site_refuses_a_result_of_another_protocol(result: MeasureResult) -> None:
    document = json.loads(result.model_dump_json())
    assert read_result(json.dumps(document)) == result
    later = {**document, "protocol": PROTOCOL + 1, "arms": "written otherwise"}
    with pytest.raises(WrongProtocol, match=f"device's result is of protocol {PROTOCOL + 1}, this"):
        read_result(json.dumps(later))


def test_what_is_no_document_is_no_matter_of_versions(result: MeasureResult) -> None:
    for text in (b"\x00\xff", b"[]", b"{}", result.model_dump_json().encode()[:-1]):
        with pytest.raises(NotAResult, match="left no valid result") as caught:
            read_result(text)
        assert "\n" not in str(caught.value)


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu")
    assert read_job(job.model_dump_json()) == job
