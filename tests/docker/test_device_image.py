"""The image of a device: one floor, one runtime, no rights, and it measures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from devices.protocol import Arm, File, MeasureJob, MeasureResult, Settings
from devices.runtimes.base import sha256

pytestmark = pytest.mark.docker

LOCKED_DOWN: dict[str, Any] = {
    "network_mode": "none",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "user": "65534:65534",
    "pids_limit": 128,
    "mem_limit": "2g",
    "tmpfs": {"/tmp": "rw,size=256m"},
    "init": True,
}


@pytest.fixture
def job_folder(tmp_path: Path) -> Path:
    """A folder that the container's user may read: a model of two SiLU sites and a job for it."""
    folder = tmp_path / "job"
    folder.mkdir()
    _model(folder / "model.onnx")
    base = File(path="/job/model.onnx", sha256=sha256(folder / "model.onnx"))
    job = MeasureJob(
        id="in-a-container",
        target="cpu-onnxruntime-fp32",
        arms=[
            Arm(name="base", file=base),
            Arm(name="relu", file=base, assignment={"a": "relu", "b": "relu"}),
        ],
        baseline="base",
        settings=Settings(min_blocks=2, max_blocks=2, rounds=2, warmup=1, max_seconds=20),
    )
    (folder / "job.json").write_text(job.model_dump_json())
    for parent in (folder, tmp_path, tmp_path.parent):
        parent.chmod(0o755)
    return folder


def test_it_measures_without_network_rights_or_a_writable_disk(
    engine: docker.DockerClient, onnxruntime_image: str, job_folder: Path
) -> None:
    command = "python -m devices /job/job.json /tmp/result.json && cat /tmp/result.json"
    status, stdout, stderr = in_container(engine, onnxruntime_image, command, job=job_folder)
    assert status == 0, stderr
    result = MeasureResult.model_validate_json(stdout)
    assert result.kind == "measured"
    assert {arm.name for arm in result.arms} == {"base", "relu"}
    assert all(arm.latency_ms > 0 and len(arm.samples_ms) == 2 for arm in result.arms)
    assert result.arm("relu").ratio > 0
    assert result.provenance.versions["onnxruntime"]
    assert '{"progress": ' in stderr


def test_a_job_it_cannot_run_ends_with_one_line_and_no_result(
    engine: docker.DockerClient, onnxruntime_image: str, job_folder: Path
) -> None:
    text = (job_folder / "job.json").read_text()
    (job_folder / "job.json").write_text(text.replace("cpu-onnxruntime-fp32", "cpu-openvino-fp32"))
    command = "python -m devices /job/job.json /tmp/result.json || ! ls /tmp/result.json"
    _, stdout, stderr = in_container(engine, onnxruntime_image, command, job=job_folder)
    assert stdout == ""
    errors = [json.loads(line) for line in stderr.splitlines() if '"error"' in line]
    assert len(errors) == 1
    assert errors[0]["kind"] == "Unsupported"


def test_the_image_holds_one_floor_and_one_runtime(
    engine: docker.DockerClient, onnxruntime_image: str, job_folder: Path
) -> None:
    probe = (
        "import importlib.util, os, pathlib\n"
        "names = ('engine', 'webapp', 'torch', 'openvino', 'onnxruntime')\n"
        "print([name for name in names if importlib.util.find_spec(name)])\n"
        "print(os.getuid(), os.listdir('/sys/class/net'))\n"
        "try:\n"
        "    pathlib.Path('/opt/app/x').write_text('x')\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    (job_folder / "probe.py").write_text(probe)
    status, stdout, stderr = in_container(
        engine, onnxruntime_image, "python /job/probe.py", job=job_folder
    )
    assert status == 0, stderr
    found, identity, written = stdout.splitlines()
    assert found == "['onnxruntime']"
    assert identity == "65534 ['lo']"
    assert written == "Read-only file system"


def in_container(
    engine: docker.DockerClient, image: str, command: str, *, job: Path
) -> tuple[int, str, str]:
    """Runs a shell command in a locked-down container: its status, stdout and stderr."""
    container = engine.containers.create(
        image,
        entrypoint=["sh", "-c"],
        command=[command],
        volumes={str(job): {"bind": "/job", "mode": "ro"}},
        **LOCKED_DOWN,
    )
    try:
        container.start()
        status = int(container.wait(timeout=120)["StatusCode"])
        stdout = container.logs(stdout=True, stderr=False).decode()
        stderr = container.logs(stdout=False, stderr=True).decode()
    finally:
        container.remove(force=True)
    return status, stdout, stderr


def _model(path: Path) -> None:
    nodes: list[onnx.NodeProto] = []
    initializers = []
    random = np.random.default_rng(0)
    for name, source, channels in (("a", "images", 3), ("b", "a", 8)):
        weight = random.normal(0, 0.2, (8, channels, 3, 3)).astype(np.float32)
        initializers.append(numpy_helper.from_array(weight, f"w_{name}"))
        nodes += _silu(name, source)
    graph = helper.make_graph(
        nodes,
        "two_sites",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 8, 64, 64])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _silu(name: str, source: str) -> Iterator[onnx.NodeProto]:
    conv, gate = f"{name}_conv", f"{name}_gate"
    yield helper.make_node("Conv", [source, f"w_{name}"], [conv], name=conv, pads=[1, 1, 1, 1])
    yield helper.make_node("Sigmoid", [conv], [gate], name=gate)
    yield helper.make_node("Mul", [conv, gate], [name], name=name)
