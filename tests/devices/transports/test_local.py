from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from devices import hostlock
from devices.errors import BadRequest, MeasurementFailed, Unsupported
from devices.protocol import MeasureJob, MeasureResult, Settings
from devices.transports import local
from tests.devices import jobs

ROOT = Path(__file__).parents[3]
ENDLESS = Settings(min_blocks=1000, max_blocks=1000, half_width=1e-9, max_seconds=600)


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("ACTNAS_ARTEFACTS", raising=False)


@pytest.fixture
def endless(tmp_path: Path) -> MeasureJob:
    return jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu", settings=ENDLESS)


def _devices() -> list[psutil.Process]:
    """Device processes below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile, or a zombie
            if "devices" in process.cmdline():
                found.append(process)
    return found


def test_a_job_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []
    result = local.run(
        jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu"),
        timeout_s=120,
        progress=lambda share, text: said.append((share, text)),
    )
    assert [arm.name for arm in result.arms] == ["original", "uniform:relu"]
    assert any("block 2" in text for _, text in said)
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert _devices() == []


def test_what_the_device_refuses_comes_back_as_it_is(tmp_path: Path) -> None:
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", baseline="nobody")
    with pytest.raises(BadRequest, match="baseline 'nobody' is no arm"):
        local.run(job, timeout_s=60)
    settings = jobs.QUICK.model_copy(update={"threads": 4096})
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", settings=settings)
    with pytest.raises(Unsupported, match="threads: 4096"):
        local.run(job, timeout_s=60)


def test_the_deadline_ends_it(endless: MeasureJob) -> None:
    with pytest.raises(MeasurementFailed, match="no result within 4 s"):
        local.run(endless, timeout_s=4)
    assert _devices() == []


def test_cancelling_ends_it(endless: MeasureJob) -> None:
    measures = threading.Event()

    def note(share: float, text: str) -> None:
        if text.startswith("block"):
            measures.set()

    with pytest.raises(MeasurementFailed, match="cancelled"):
        local.run(endless, timeout_s=120, progress=note, cancelled=measures.is_set)
    assert _devices() == []


def test_an_error_of_the_listener_ends_it(endless: MeasureJob) -> None:
    def listen(share: float, text: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        if text.startswith("block"):
            raise LookupError("the job's row is gone")

    with pytest.raises(LookupError, match="row is gone"):
        local.run(endless, timeout_s=120, progress=listen)
    assert _devices() == []


def test_cancelling_ends_the_wait_for_the_host(endless: MeasureJob) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from devices.hostlock import measuring\n"
            "with measuring():\n  print(1, flush=True); input()",
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(MeasurementFailed, match="cancelled"):
        local.run(endless, timeout_s=60, cancelled=cancelled)
    holder.communicate(b"\n")
    assert _devices() == []


@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGKILL, "killed: most likely out of memory"), (signal.SIGSEGV, "crashed: SIGSEGV")],
)
def test_a_crash_is_told_in_one_line(
    endless: MeasureJob, number: signal.Signals, message: str
) -> None:
    def strike(share: float, text: str) -> None:
        if text.startswith("block"):
            for process in _devices():
                process.send_signal(number)

    with pytest.raises(MeasurementFailed, match=message) as caught:
        local.run(endless, timeout_s=120, progress=strike)
    assert "\n" not in str(caught.value)


def test_a_measured_job_has_the_host_alone(endless: MeasureJob) -> None:
    """A training beside it is held at its pause point until the job is over."""
    trains, measures, over = threading.Event(), threading.Event(), threading.Event()
    paused: list[float] = []

    def train() -> None:
        with hostlock.yielding():
            trains.set()
            while not over.is_set():
                paused.append(hostlock.pause_point())
                time.sleep(0.01)

    trainer = threading.Thread(target=train)
    trainer.start()
    trains.wait()
    try:
        with pytest.raises(MeasurementFailed, match="cancelled"):
            local.run(
                endless,
                timeout_s=120,
                progress=lambda share, text: measures.set() if "block 2" in text else None,
                cancelled=measures.is_set,
            )
    finally:
        over.set()
        trainer.join()
    assert max(paused) > 0.1


def test_a_device_does_not_outlive_a_killed_transport(endless: MeasureJob, tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(endless.model_dump_json())
    code = (
        "import sys; from pathlib import Path\n"
        "from devices.protocol import MeasureJob; from devices.transports import local\n"
        "local.run(MeasureJob.model_validate_json(Path(sys.argv[1]).read_text()), timeout_s=300,"
        " progress=lambda share, text: print(text, flush=True))"
    )
    transport = subprocess.Popen(
        [sys.executable, "-c", code, str(job)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert transport.stdout is not None
    while not transport.stdout.readline().startswith("block"):
        assert transport.poll() is None
    (device,) = _devices()
    transport.kill()
    transport.communicate()
    device.wait(timeout=10)


def _devices_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devices", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_line_runs_a_job_file(tmp_path: Path) -> None:
    job, result = tmp_path / "job.json", tmp_path / "out" / "result.json"
    job.write_text(jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu").model_dump_json())
    done = _devices_command(str(job), str(result))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert all("progress" in json.loads(line) for line in done.stderr.splitlines())
    assert MeasureResult.model_validate_json(result.read_text()).job_id == "job-1"
    assert os.listdir(result.parent) == ["result.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"id": "x"}', "target: Field required"),
        ('{"id": "x", "target": "t", "arms": [], "baseline": "b"}', "arms"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_job_file_is_a_bad_request(content: str | None, message: str, tmp_path: Path) -> None:
    job, result = tmp_path / "job.json", tmp_path / "result.json"
    if content is not None:
        job.write_text(content)
    done = _devices_command(str(job), str(result))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["kind"] == "BadRequest"
    assert message in json.loads(line)["error"]
    assert not result.exists()


def test_a_device_that_fails_ends_with_3(tmp_path: Path) -> None:
    """An artefact that passes every check and that the runtime cannot load."""
    job = jobs.job(tmp_path, "cpu-openvino-fp32")
    ready = tmp_path / "artefact.blob"
    ready.write_bytes(b"nothing that loads")
    arm = job.arms[0].model_copy(update={"file": jobs.file(ready), "ready": True})
    path, result = tmp_path / "job.json", tmp_path / "result.json"
    path.write_text(job.model_copy(update={"arms": [arm]}).model_dump_json())
    done = _devices_command(str(path), str(result))
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["kind"] == "MeasurementFailed"
    assert not result.exists()
