"""Makes the folder of a bundle."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import devices
from devices import HARNESS_VERSION, targets
from devices.errors import BadRequest
from devices.files import atomic_folder
from devices.protocol import File, MeasureJob, content_hash
from devices.runtimes.base import sha256
from devices.transports.bundle.documents import MANIFEST, Bundle, BundledJob

# What the code needs, and what each runtime needs beside it: names of packages.
_ALWAYS = ("numpy", "onnx", "psutil", "pydantic")
_OF_RUNTIME = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino", "onnxruntime"),  # its int8 files are quantised by onnxruntime's tool
    "litert": ("ai-edge-litert", "flatbuffers", "onnxruntime"),
    "ncnn": ("ncnn", "pnnx"),
    "torch": ("torch", "ai-edge-litert", "flatbuffers", "onnxruntime"),
    "torch_cuda": (
        *("torch", "ai-edge-litert", "flatbuffers", "onnxruntime", "nvidia-ml-py", "cuda-bindings"),
    ),
    "onnxruntime_cuda": ("onnxruntime-gpu", "nvidia-ml-py", "cuda-bindings"),
    "tensorrt": ("tensorrt-cu13", "onnxruntime", "nvidia-ml-py", "cuda-bindings"),
    "ethos_u": ("ethos-u-vela", "flatbuffers", "ai-edge-litert", "onnxruntime"),
}
_COMMAND = '''"""Measures what this folder asks for: python run.py. Writes results.json."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from devices.transports.bundle import run  # noqa: E402

sys.exit(run(HERE))
'''
_README = """# Measurements to be made on this machine

    python3 -m venv env && env/bin/pip install -r requirements.txt && env/bin/python run.py

It needs Linux and Python 3.11 or later. Keep the machine otherwise idle. It takes up to
{minutes} minutes, may be stopped and started again, and then goes on where it was.

Send back `results.json`, which appears in this folder. It holds latencies and the facts about this
machine that can move them (processor, load, versions), nothing else.

| job | target | models |
|---|---|---|
{jobs}
"""


def write(jobs: Sequence[MeasureJob], out: Path) -> Bundle:
    """The folder ``out`` with ``jobs`` and all that they need; it appears when it is whole.

    Raises:
        BadRequest: ``out`` exists, there is no job, or a file is missing or not what a job names.
    """
    if out.exists():
        raise BadRequest(f"{out} exists; name a folder that does not")
    if not jobs:
        raise BadRequest("a bundle without jobs: at least one is needed")
    with atomic_folder(out) as part:
        (part / "files").mkdir()
        bundle = Bundle(
            harness=HARNESS_VERSION,
            made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            jobs=[_packed(job, part) for job in jobs],
        )
        (part / MANIFEST).write_text(bundle.model_dump_json(indent=1), encoding="utf-8")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(devices.__file__).parent, part / "devices", ignore=ignored)
        (part / "requirements.txt").write_text(_requirements(jobs), encoding="utf-8")
        (part / "run.py").write_text(_COMMAND, encoding="utf-8")
        (part / "README.md").write_text(_readme(jobs), encoding="utf-8")
    return bundle


def _packed(job: MeasureJob, folder: Path) -> BundledJob:
    arms = [arm.model_copy(update={"file": _copied(arm.file, folder)}) for arm in job.arms]
    images = None if job.calibration is None else _copied(job.calibration, folder)
    update = {"arms": arms, "calibration": images, "keep_files": None}
    return BundledJob(sha256=content_hash(job), job=job.model_copy(update=update))


def _copied(file: File, folder: Path) -> File:
    source = Path(file.path)
    place = f"files/{file.sha256[:32]}{source.suffix}"
    if not (folder / place).exists():
        if not source.is_file():
            raise BadRequest(f"there is no file {file.path!r} to put into the bundle")
        shutil.copyfile(source, folder / place)
        found = sha256(folder / place)
        if found != file.sha256:
            raise BadRequest(
                f"{source.name} has sha256 {found[:16]}..., the job names {file.sha256[:16]}..."
            )
    return File(path=place, sha256=file.sha256)


def _requirements(jobs: Sequence[MeasureJob]) -> str:
    names = set(_ALWAYS)
    for job in jobs:
        names |= set(_OF_RUNTIME[targets.get(job.target).runtime])
    return "".join(f"{name}{_pin(name)}\n" for name in sorted(names))


def _pin(name: str) -> str:
    """The version that is installed here; any, where there is none (a GPU's runtime)."""
    try:
        return f"=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""


def _readme(jobs: Sequence[MeasureJob]) -> str:
    # Twice each, should every lease be noisy, with as much again for conversions.
    minutes = max(1, round(sum(4 * job.settings.max_seconds for job in jobs) / 60))
    rows = [f"| {job.id} | {targets.get(job.target).title} | {len(job.arms)} |" for job in jobs]
    return _README.format(minutes=minutes, jobs="\n".join(rows))
