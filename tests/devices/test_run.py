from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from devices import graph
from devices.errors import BadRequest, Unsupported
from devices.protocol import Arm, File, MeasureResult
from devices.run import run
from devices.runtimes.base import sha256
from devices.targets import TARGETS, Target
from tests.devices import graphs, jobs

MODELLED = [target.id for target in TARGETS if target.kind == "modelled"]
running = jobs.running(TARGETS)


@pytest.fixture(autouse=True)
def _no_lasting_artefacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTNAS_ARTEFACTS", raising=False)


@running
def test_a_job_gives_a_whole_result(target: Target, tmp_path: Path) -> None:
    shares: list[float] = []
    job = jobs.job(tmp_path, target.id, "relu", profile=True)
    result = run(job, progress=lambda share, text: shares.append(share))

    assert MeasureResult.model_validate_json(result.model_dump_json()) == result
    assert (result.job_id, result.target, result.baseline) == ("job-1", target.id, "original")
    assert result.kind == target.kind
    assert all(note in result.notes for note in [target.notes] if note)
    assert [arm.name for arm in result.arms] == ["original", "uniform:relu"]
    base, relu = result.arms
    assert (base.ratio, base.ratio_interval.low, base.ratio_interval.high) == (1, 1, 1)
    assert relu.ratio_interval.low <= relu.ratio <= relu.ratio_interval.high
    assert base.file_sha256 != relu.file_sha256
    for arm in result.arms:
        assert arm.latency_ms > 0
        assert arm.memory is not None
        assert arm.memory.unit == target.memory_unit
        assert arm.profile is not None
        assert [entry.site for entry in arm.profile] == [*jobs.SITES, ""]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    if result.kind == "measured":
        assert result.stopped in ("blocks", "interval", "time")
        assert all([len(block) for block in arm.samples_ms] == [3, 3] for arm in result.arms)
        assert len(result.provenance.machine["cpus_pinned"]) == 1
        assert ("gpu" in result.provenance.machine) == jobs.is_gpu(target)
    else:
        assert result.stopped == "exact"
        assert all(arm.samples_ms == [] for arm in result.arms)
        assert relu.ratio == pytest.approx(relu.latency_ms / base.latency_ms)


@pytest.mark.parametrize("target", ["cpu-onnxruntime-int8", *MODELLED])
def test_kept_files_are_what_was_measured_and_can_be_measured_again(
    target: str, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    job = jobs.job(tmp_path, target, keep_files=str(kept))
    first = run(job)
    arms = []
    for arm in first.arms:
        assert arm.file_path is not None
        path = Path(arm.file_path)
        assert path.parent == kept
        assert path.stem == arm.name
        assert sha256(path) == arm.file_sha256
        arms.append(Arm(name=arm.name, file=jobs.file(path), ready=True))
    again = run(job.model_copy(update={"arms": arms, "keep_files": None}))
    for one, two in zip(first.arms, again.arms, strict=True):
        assert two.file_sha256 == one.file_sha256
        assert two.memory is not None
        assert one.memory is not None
        assert two.memory.value == one.memory.value
        assert two.file_path is None
    if target in MODELLED:
        assert [a.latency_ms for a in again.arms] == [a.latency_ms for a in first.arms]


def test_a_mix_is_measured_on_the_swapped_file(tmp_path: Path) -> None:
    mix = dict(zip(jobs.SITES, ("relu", "silu", "hardswish", "gelu"), strict=True))
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", keep_files=str(tmp_path / "kept"))
    job.arms.append(Arm(name="mix", file=job.arms[0].file, assignment=mix))
    path = run(job).arm("mix").file_path
    assert path is not None
    assert {s.key: s.activation for s in graph.find_sites(onnx.load(path))} == mix


def test_conversions_are_kept_between_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "artefacts"
    monkeypatch.setenv("ACTNAS_ARTEFACTS", str(folder))
    job = jobs.job(tmp_path, "cpu-onnxruntime-int8")
    first = run(job)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = run(job)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [arm.file_sha256 for arm in again.arms] == [arm.file_sha256 for arm in first.arms]
    assert [arm.details for arm in again.arms] == [arm.details for arm in first.arms]
    other = tmp_path / "other.npz"
    np.savez(other, images=graphs.images(8, seed=5))
    run(job.model_copy(update={"calibration": jobs.file(other)}))
    assert len(list(folder.iterdir())) == 2 * len(before)


def test_int8_says_how_it_was_made(tmp_path: Path) -> None:
    details = run(jobs.job(tmp_path, "cpu-onnxruntime-int8")).arms[0].details
    assert details["calibration_images"] == 8
    assert "per channel" in details["quantisation"]


def test_fewer_rounds_than_asked_are_noted(tmp_path: Path) -> None:
    settings = jobs.QUICK.model_copy(update={"max_seconds": 1e-3, "rounds": 50})
    result = run(jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu", settings=settings))
    assert result.stopped == "time"
    assert "1 rounds a block instead of 50: 0.001 s leave room for no more" in result.notes


def test_a_cost_model_names_itself_in_the_notes(tmp_path: Path) -> None:
    for target in MODELLED:
        assert any("modelled by" in note for note in run(jobs.job(tmp_path, target)).notes)


def _altered(file: File) -> File:
    return file.model_copy(update={"sha256": "0" * 64})


def test_bad_jobs_are_refused_before_anything_runs(tmp_path: Path) -> None:
    job = jobs.job(tmp_path, "cpu-onnxruntime-fp32", "relu")
    base = job.arms[0]
    assert job.calibration is not None
    noise = tmp_path / "noise.npz"
    np.savez(noise, images=np.zeros((2, 3, 8, 8), np.float32))
    text = tmp_path / "model.onnx"
    text.write_text("not a model")

    def arm(**changes: object) -> dict[str, object]:
        return {"arms": [base, base.model_copy(update={"name": "other", **changes})]}

    cases: list[tuple[dict[str, object], str]] = [
        ({"target": "toaster"}, "unknown target 'toaster'; known: cpu-"),
        ({"baseline": "nobody"}, "baseline 'nobody' is no arm; arms: original, uniform:relu"),
        (arm(name="original"), "two arms are called 'original'"),
        (arm(name="../escape"), "usable as a file name"),
        (arm(name=".."), "usable as a file name"),
        (arm(file=_altered(base.file)), "has sha256"),
        (arm(file=File(path="/nowhere/x.onnx", sha256="0")), "there is no file"),
        (arm(file=jobs.file(text)), "no ONNX file"),
        (arm(assignment={"neck.act": "relu"}), r"no site 'neck\.act'"),
        (arm(assignment={"stem.act": "swoosh"}), "unknown activation 'swoosh'"),
        (arm(assignment={"stem.act": "relu"}, ready=True), "takes no assignment"),
        ({"calibration": _altered(job.calibration)}, "calibration: file"),
        ({"calibration": jobs.file(text)}, "must be an .npz"),
        ({"calibration": jobs.file(noise)}, "uint8 \\[n, 3, h, w\\] is needed"),
    ]
    for changes, message in cases:
        with pytest.raises(BadRequest, match=message) as caught:
            run(job.model_copy(update=changes))
        assert "\n" not in str(caught.value)


def test_an_activation_that_the_target_lacks_is_refused_by_name(tmp_path: Path) -> None:
    for target in MODELLED:
        with pytest.raises(Unsupported, match="mish"):
            run(jobs.job(tmp_path, target, "mish"))
