"""The Docker transport with real containers: it measures, and whatever goes wrong has a name."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import docker
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from devices import HARNESS_VERSION
from devices.confinement import Limits
from devices.errors import (
    BadRequest,
    Crashed,
    DeviceNotReady,
    MeasurementFailed,
    NotAResult,
    NotConfined,
    OutOfMemory,
    TimedOut,
    Unsupported,
)
from devices.protocol import Arm, MeasureJob, Settings
from devices.run import run as run_here
from devices.transports import containers, exchange
from devices.transports import docker as transport
from devices.transports.containers import Setup
from tests.conftest import ROOT
from tests.devices import jobs
from tests.docker.conftest import Build, left

pytestmark = pytest.mark.docker

ENDLESS = Settings(min_blocks=1000, max_blocks=1000, half_width=1e-9, max_seconds=600)
HELLO = (
    "import sys\n"
    "from devices import HARNESS_VERSION, confinement, frames\n"
    "found = confinement.read()\n"
    "{change}\n"
    "content = found.model_dump_json().encode()\n"
    "head = frames.head('hello', len(content), harness={harness})\n"
    "sys.stdout.buffer.write(head + content)\n"
    "sys.stdout.flush()\n"
    "{then}\n"
)


@pytest.fixture
def endless(tmp_path: Path) -> MeasureJob:
    return jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu", settings=ENDLESS)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("onnxruntime", "cpu-onnxruntime-fp32"),
        pytest.param("onnxruntime", "cpu-onnxruntime-int8", marks=pytest.mark.slow),
        pytest.param("openvino", "cpu-openvino-fp32", marks=pytest.mark.slow),
        ("ethos-u", "npu-ethos-u55-128-int8"),
    ],
)
def test_a_job_runs_in_a_container(
    image: Build, engine: docker.DockerClient, setup: Setup, tmp_path: Path, name: str, target: str
) -> None:
    tag = image(name)
    job = jobs.job(tmp_path, target, "relu", profile=True)
    said: list[tuple[float, str]] = []
    result = transport.run(
        job,
        setup=setup,
        timeout_s=180,
        progress=lambda share, text: said.append((share, text)),
    )
    assert [arm.name for arm in result.arms] == ["original", "uniform:relu"]
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert len(said) > 1
    labels = engine.images.get(tag).labels
    told = result.provenance.machine["container"]
    assert told["image_id"] == engine.images.get(tag).id
    assert told["harness"] == HARNESS_VERSION == labels["org.opencontainers.image.version"]
    assert told["revision"] == labels["org.opencontainers.image.revision"]
    assert told["confinement"]["memory_mib"] == 1024
    assert 0 < told["peak_mib"] <= 1024
    if result.kind == "modelled":  # the same compiler says the same, wherever it runs
        here = run_here(job)
        assert [arm.latency_ms for arm in result.arms] == [arm.latency_ms for arm in here.arms]
    else:
        assert result.provenance.machine["cpus_usable"] == [0]
        assert all(arm.memory and arm.memory.value > 0 for arm in result.arms)


def test_what_the_device_refuses_comes_back_as_it_is(
    onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", baseline="nobody")
    with pytest.raises(BadRequest, match="baseline 'nobody' is no arm"):
        transport.run(job, setup=setup, timeout_s=60)
    settings = jobs.QUICK.model_copy(update={"threads": 2})  # of one CPU
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", settings=settings)
    with pytest.raises(Unsupported, match="threads: 2"):
        transport.run(job, setup=setup, timeout_s=60)


def test_too_little_memory_is_told_who_sent_the_job(
    onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    model = jobs.file(_large(tmp_path / "large.onnx"))
    job = MeasureJob(
        id="large",
        target="cpu-onnxruntime-fp32",
        arms=[Arm(name="base", file=model)],
        baseline="base",
        settings=jobs.QUICK,
    )
    small = replace(setup, limits=Limits(cpuset="0", memory_mib=256))
    with pytest.raises(OutOfMemory, match="more than the 256 MiB"):
        transport.run(job, setup=small, timeout_s=120)


def test_files_that_do_not_fit_are_told_who_sent_the_job(
    onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    """The scratch space is half of the memory; the container ends while it is still being fed."""
    path = tmp_path / "large.onnx"
    path.write_bytes(bytes(160 << 20))
    job = MeasureJob(
        id="large",
        target="cpu-onnxruntime-fp32",
        arms=[Arm(name="base", file=jobs.file(path), ready=True)],
        baseline="base",
    )
    small = replace(setup, limits=Limits(cpuset="0", memory_mib=256))
    with pytest.raises(OutOfMemory, match="no room left for the job's files"):
        transport.run(job, setup=small, timeout_s=60)


def test_the_deadline_ends_it(onnxruntime_image: str, setup: Setup, endless: MeasureJob) -> None:
    with pytest.raises(TimedOut, match="no result within 4 s"):
        transport.run(endless, setup=setup, timeout_s=4)


def test_it_ends_itself_where_nobody_does(
    onnxruntime_image: str, setup: Setup, endless: MeasureJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container knows of its deadline: here it is told of an earlier one than we keep."""
    measure = exchange.measure
    monkeypatch.setattr(
        exchange, "measure", lambda line, job, limits, _: measure(line, job, limits, 3.0)
    )
    with pytest.raises(TimedOut, match="the container ended itself at its deadline"):
        transport.run(endless, setup=setup, timeout_s=60)


def test_a_file_that_is_measured_as_it_is_keeps_its_hash(
    onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    file = jobs.detector(tmp_path)
    job = MeasureJob(
        id="ready",
        target="cpu-onnxruntime-fp32",
        arms=[Arm(name=name, file=file, ready=True) for name in ("base", "again")],
        baseline="base",
        settings=jobs.QUICK,
    )
    result = transport.run(job, setup=setup, timeout_s=60)
    assert [arm.file_sha256 for arm in result.arms] == [file.sha256] * 2
    assert all(arm.samples_ms for arm in result.arms)


def test_cancelling_ends_it(onnxruntime_image: str, setup: Setup, endless: MeasureJob) -> None:
    measures = threading.Event()

    def note(share: float, text: str) -> None:
        if text.startswith("block"):
            measures.set()

    with pytest.raises(MeasurementFailed, match="cancelled"):
        transport.run(endless, setup=setup, timeout_s=60, progress=note, cancelled=measures.is_set)


@pytest.mark.parametrize(("number", "said"), [("SIGKILL", "killed"), ("SIGTERM", "SIGTERM")])
def test_a_container_that_is_killed_has_crashed(
    onnxruntime_image: str,
    engine: docker.DockerClient,
    setup: Setup,
    endless: MeasureJob,
    number: str,
    said: str,
) -> None:
    struck: set[str] = set()

    def strike(share: float, text: str) -> None:
        if text.startswith("block"):
            for container in set(left(engine, setup)) - struck:
                engine.api.kill(container, number)
                struck.add(container)

    with pytest.raises(Crashed, match=said) as caught:
        transport.run(endless, setup=setup, timeout_s=60, progress=strike)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "harness", "then", "error", "said"),
    [
        ("", "HARNESS_VERSION", "print('garbage'); sys.stdin.read()", NotAResult, "'garbage'"),
        ("", "HARNESS_VERSION", "sys.stdin.buffer.readline()", NotAResult, "without a result"),
        ("", "'0'", "", DeviceNotReady, "holds harness '0'"),
        ("found.no_new_privileges = False", "HARNESS_VERSION", "", NotConfined, "NoNewPrivs"),
        ("found.interfaces = ['eth0', 'lo']", "HARNESS_VERSION", "", NotConfined, "eth0"),
        ("print('no frame')", "HARNESS_VERSION", "sys.stdin.read()", NotAResult, "'no frame'"),
    ],
)
def test_an_image_that_does_not_keep_to_the_rules_is_named(
    changed_image: Build,
    setup: Setup,
    tmp_path: Path,
    change: str,
    harness: str,
    then: str,
    error: type[Exception],
    said: str,
) -> None:
    prefix = changed_image(HELLO.format(change=change, harness=harness, then=then))
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32")
    with pytest.raises(error, match=said):
        transport.run(job, setup=replace(setup, images=prefix), timeout_s=60)


def test_an_engine_that_cannot_serve_is_not_ready(
    onnxruntime_image: str, setup: Setup, tmp_path: Path
) -> None:
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32")
    nowhere = replace(setup, images="actnas-nobody")
    with pytest.raises(DeviceNotReady, match=r"no image actnas-nobody/device-onnxruntime:.*make"):
        transport.run(job, setup=nowhere, timeout_s=60)
    elsewhere = replace(setup, limits=Limits(cpuset="4000", memory_mib=1024))
    with pytest.raises(DeviceNotReady, match="CPUs"):
        transport.run(job, setup=elsewhere, timeout_s=60)


def test_nothing_outlives_a_killed_transport(
    onnxruntime_image: str,
    engine: docker.DockerClient,
    setup: Setup,
    endless: MeasureJob,
    tmp_path: Path,
) -> None:
    """The container ends with the connection; what is left of it is swept by its label."""
    path = tmp_path / "job.json"
    path.write_text(endless.model_dump_json())
    code = (
        "import sys; from pathlib import Path\n"
        "from devices.confinement import Limits; from devices.protocol import MeasureJob\n"
        "from devices.transports import containers, docker\n"
        "cage = Limits(cpuset='0', memory_mib=1024)\n"
        "mine = containers.Setup(images=sys.argv[2], site=sys.argv[3], owner='him', limits=cage)\n"
        "docker.run(MeasureJob.model_validate_json(Path(sys.argv[1]).read_text()), timeout_s=300,"
        " setup=mine, progress=lambda share, text: print(text, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), setup.images, setup.site],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("block"):
        assert process.poll() is None
    (container,) = left(engine, setup)
    assert containers.sweep(setup, is_over=lambda owner: owner == "somebody else") == 0
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 15
    while engine.api.inspect_container(container)["State"]["Running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert containers.sweep(replace(setup, site="another"), is_over=lambda owner: True) == 0
    assert containers.sweep(setup, is_over=lambda owner: owner == "him") == 1


def _large(path: Path) -> Path:
    """A model of one convolution whose output has 256 MiB."""
    weight = np.zeros((64, 3, 3, 3), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "w"], ["out"], name="conv", pads=[1, 1, 1, 1])],
        "large",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 1024, 1024])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 64, 1024, 1024])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
