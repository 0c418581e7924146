"""A bundle runs without this project, and what comes back is held against what was asked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from devices import HARNESS_VERSION
from devices.errors import BadRequest
from devices.protocol import Interval, MeasureJob, MeasureResult, content_hash
from devices.targets import TARGETS
from devices.transports import bundle
from tests.devices import jobs

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def job(tmp_path: Path) -> MeasureJob:
    folder = tmp_path / "there"
    folder.mkdir()
    return jobs.job(folder, "cpu-onnxruntime-fp32", "relu", memory=False)


@pytest.fixture
def folder(job: MeasureJob, tmp_path: Path) -> Path:
    bundle.write([job], tmp_path / "bundle")
    shutil.rmtree(tmp_path / "there")  # all that it needs was copied
    return tmp_path / "bundle"


def test_it_holds_what_the_job_needs_and_nothing_of_its_makers_machine(
    folder: Path, job: MeasureJob
) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "bundle.json", "devices", "files", "requirements.txt", "run.py"}
    packed = bundle.Bundle.model_validate_json((folder / "bundle.json").read_text()).jobs[0]
    assert packed.sha256 == content_hash(job) == content_hash(packed.job)
    assert all((folder / arm.file.path).is_file() for arm in packed.job.arms)
    required = (folder / "requirements.txt").read_text().splitlines()
    assert [line.split("==")[0] for line in required] == [
        "numpy",
        "onnx",
        "onnxruntime",
        "psutil",
        "pydantic",
    ]
    assert "python run.py" in (folder / "README.md").read_text()
    assert not list(folder.rglob("__pycache__"))
    for path in (folder / "bundle.json", folder / "README.md"):
        assert str(folder.parent) not in path.read_text()


def test_it_is_made_whole_or_not_at_all(job: MeasureJob, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="bundle without jobs"):
        bundle.write([], tmp_path / "none")
    Path(job.arms[0].file.path).write_bytes(b"another")
    with pytest.raises(BadRequest, match=r"detector.onnx has sha256 \w{16}..., the job names"):
        bundle.write([job], tmp_path / "none")
    assert {path.name for path in tmp_path.iterdir()} == {"there"}
    with pytest.raises(BadRequest, match="exists; name a folder that does not"):
        bundle.write([job], tmp_path)


@pytest.fixture(params=["linked", pytest.param("installed", marks=pytest.mark.slow)])
def clean_python(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Path:
    """A virtual environment that never saw the project: made as the README says, or quickly."""
    place = tmp_path / "env"
    if request.param == "linked":
        return linked(place)
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    wanted = str(folder / "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "-qr", wanted], check=True, cwd="/")
    return python


def linked(place: Path) -> Path:
    """A virtual environment that has packages of ours."""
    venv.create(place, with_pip=False)
    ours = next(Path(path) for path in sys.path if Path(path).name == "site-packages")
    theirs = next(place.glob("lib/python*/site-packages"))
    for package in ours.iterdir():
        # Only what the list of requirements brings; no .pth, which would lead to the project.
        if package.name.partition("-")[0].lower() in _INSTALLED:
            (theirs / package.name).symlink_to(package)
    return place / "bin" / "python"


_INSTALLED = {
    "annotated_types",
    "flatbuffers",
    "google",
    "ml_dtypes",
    "numpy",
    "numpy.libs",
    "onnx",
    "onnxruntime",
    "packaging",
    "protobuf",
    "psutil",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "typing_extensions.py",
    "typing_inspection",
}


def run(python: Path, *arguments: str, locks: Path) -> subprocess.CompletedProcess[str]:
    """A Python that gets nothing from the environment of this one."""
    return subprocess.run(
        [str(python), *arguments],
        cwd="/",
        env={"ACTNAS_NOISY_PAUSE_S": "0", "ACTNAS_HOST_LOCKS": str(locks)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_in_a_python_that_has_never_seen_the_project(
    folder: Path, job: MeasureJob, clean_python: Path, tmp_path: Path
) -> None:
    python = clean_python
    for name in ("engine", "webapp", "devices", "torch"):
        missing = run(python, "-c", f"import {name}", locks=tmp_path)
        assert f"No module named '{name}'" in missing.stderr
    done = run(python, str(folder / "run.py"), locks=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "measures 1 of 1, job-1 on cpu-onnxruntime-fp32" in done.stdout
    (returned,) = bundle.read(folder / "results.json").returned
    assert returned.sha256 == content_hash(job)
    assert returned.result is not None
    bundle.check(returned.result, job)
    again = run(
        python, str(folder / "run.py"), locks=tmp_path
    )  # what is there is not measured again
    assert "measures" not in again.stdout
    assert again.stdout.startswith("1 of 1 measured; send back")


def test_what_fails_there_comes_back_as_an_error(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "files").iterdir():
        path.write_bytes(b"damaged on the way")
    done = run(Path(sys.executable), str(folder / "run.py"), locks=tmp_path)
    assert done.returncode == 1
    (returned,) = bundle.read(folder / "results.json").returned
    assert (returned.result, returned.kind) == (None, "BadRequest")
    assert "has sha256" in returned.error


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[MeasureJob, MeasureResult]:
    from devices.run import run as measure

    job = jobs.job(tmp_path_factory.mktemp("m"), "cpu-onnxruntime-fp32", "relu", memory=False)
    return job, measure(job)


def test_a_result_that_does_not_answer_the_job_is_refused(
    measured: tuple[MeasureJob, MeasureResult],
) -> None:
    job, result = measured
    bundle.check(result, job)
    with pytest.raises(BadRequest, match="the job asks for"):
        bundle.check(result.model_copy(update={"job_id": "another"}), job)
    with pytest.raises(BadRequest, match="arms are not those of the job"):
        bundle.check(result.model_copy(update={"arms": result.arms[:1]}), job)
    relu = result.arms[1]
    narrow = Interval(low=relu.ratio, high=relu.ratio)
    for change, said in (
        ({"ratio": 0.5 * relu.ratio}, "the ratio is"),
        ({"latency_ms": 0.5 * relu.latency_ms}, "the latency is"),
        ({"ratio_interval": narrow}, "the (lower|upper) end is"),
    ):
        better = relu.model_copy(update=change)
        with pytest.raises(BadRequest, match=f"arm 'uniform:relu': {said}"):
            bundle.check(result.model_copy(update={"arms": [result.arms[0], better]}), job)
    twice = [job.arms[0], job.arms[0].model_copy(update={"name": relu.name})]
    with pytest.raises(BadRequest, match="another file than that of an equal arm"):
        bundle.check(result, job.model_copy(update={"arms": twice}))
    ready = [arm.model_copy(update={"ready": True, "assignment": None}) for arm in job.arms]
    with pytest.raises(BadRequest, match="another file was measured"):
        bundle.check(result, job.model_copy(update={"arms": ready}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no results.json: document: Invalid JSON"),
        (json.dumps({"schema": "actnas.results/2"}), "is no results.json: schema: Input should be"),
        (
            json.dumps({"harness": "0", "returned": []}),
            f"by version 0 of the harness; version {HARNESS_VERSION} is",
        ),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(BadRequest, match=said):
        bundle.read(path)
    with pytest.raises(BadRequest, match=r"nothing\.json cannot be read: No such file"):
        bundle.read(tmp_path / "nothing.json")


def test_a_bundle_installs_what_the_image_of_its_runtime_does(
    job: MeasureJob, tmp_path: Path
) -> None:
    for target in TARGETS:
        bundle.write([job.model_copy(update={"target": target.id})], tmp_path / target.id)
        lines = (tmp_path / target.id / "requirements.txt").read_text().splitlines()
        recipe = ROOT / "docker" / "targets" / target.runtime.replace("_", "-") / "Dockerfile"
        text = recipe.read_text().replace("\\\n", " ").replace("'", "")
        text = re.sub(r"\{ \[ -z .*? \}", "", text)  # the same packages from another index
        words = " ".join(re.findall(r"pip install (.*?) &&", text)).split()
        names = {re.split(r"[\[=]", word)[0] for word in words if word[0] not in "-/"}
        # A machine with a GPU has CUDA itself; an image has to bring it.
        wanted = names - {"nvidia-cuda-runtime"}
        assert {line.split("==")[0] for line in lines} == wanted, target.id
