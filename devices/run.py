"""Runs one measurement job in this process."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx

from devices import harness, nvml, runtimes, statistics, targets
from devices.files import atomic
from devices.graph import image_input
from devices.prepare import Prepared, Progress, check, load_calibration, prepare
from devices.protocol import (
    ArmResult,
    Interval,
    MeasureJob,
    MeasureResult,
    Memory,
    SiteTime,
)
from devices.provenance import Recorder
from devices.runtimes.base import Image, Modelled, Runtime
from devices.targets import Target

_PROFILE_RUNS = 40
_IMAGES = 4


def run(job: MeasureJob, *, progress: Progress | None = None) -> MeasureResult:
    """Converts every arm, measures it against the baseline and returns the result.

    ``progress`` is called with a share within 0..1 and a line of text. Figures of a *modelled*
    target come from its cost model: exact ratios, no samples. The kind of the result is the
    target's own.

    Raises:
        BadRequest: the job is inconsistent, or a file is missing, altered or not acceptable.
        Unsupported: the target cannot run an arm, or its runtime is not installed here.
        MeasurementFailed: the runtime failed.
    """
    report = progress or (lambda share, text: None)
    target = targets.get(job.target)
    check(job)
    runtime = runtimes.get(target)
    runtime.check()
    recorder = Recorder(threads=job.settings.threads)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="actnas-job-")))
        arms = prepare(job, target, runtime, folder, report)
        if target.kind == "modelled":
            return _modelled(job, target, runtime, arms, recorder, report)
        return _measured(job, target, runtime, arms, recorder, report)


def _modelled(
    job: MeasureJob,
    target: Target,
    runtime: Runtime,
    arms: list[Prepared],
    recorder: Recorder,
    report: Progress,
) -> MeasureResult:
    figures: dict[str, Modelled] = {}
    for n, each in enumerate(arms):
        report(0.3 + 0.7 * n / len(arms), f"modelling {each.arm.name}")
        figures[each.arm.name] = runtime.estimate(
            each.artefact.path, model=each.model, target=target
        )
    base = figures[job.baseline]
    results = []
    for each in arms:
        figure = figures[each.arm.name]
        exact = figure.latency_ms / base.latency_ms
        results.append(
            ArmResult(
                name=each.arm.name,
                file_sha256=each.artefact.sha256,
                file_path=_keep(job, each),
                latency_ms=figure.latency_ms,
                ratio=exact,
                ratio_interval=Interval(low=exact, high=exact),
                samples_ms=[],
                memory=figure.memory,
                profile=figure.profile if job.profile else None,
                details={
                    **each.artefact.details,
                    **figure.details,
                    **runtime.compare(figure, base),
                },
            )
        )
    notes = [target.notes, *(note for figure in figures.values() for note in figure.notes)]
    return MeasureResult(
        job_id=job.id,
        target=target.id,
        kind=target.kind,
        baseline=job.baseline,
        arms=results,
        stopped="exact",
        notes=[note for note in dict.fromkeys(notes) if note],
        provenance=recorder.finish(cpus=(), versions=runtime.versions()),
    )


def _measured(
    job: MeasureJob,
    target: Target,
    runtime: Runtime,
    arms: list[Prepared],
    recorder: Recorder,
    report: Progress,
) -> MeasureResult:
    settings = job.settings
    threads = settings.threads
    with nvml.watching(target) as watch:

        def between(state: harness.State) -> None:
            if watch is not None:
                watch.sample()
            report(
                0.3 + 0.5 * min(state.seconds / settings.max_seconds, 1.0),
                f"block {state.blocks}, widest interval +-{state.half_width:.4f}",
            )

        samples = harness.measure(
            {e.arm.name: runtime.opener(e.artefact.path, threads=threads) for e in arms},
            baseline=job.baseline,
            settings=settings,
            inputs=_images(job, arms[0].model),
            between=between,
        )
    base = samples.ms[job.baseline]
    memories: dict[str, Memory] = {}
    results = []
    for n, each in enumerate(arms):
        name = each.arm.name
        report(0.8 + 0.2 * n / len(arms), f"last figures of {name}")
        if job.memory and each.artefact.sha256 not in memories:
            memories[each.artefact.sha256] = runtime.memory(
                each.artefact.path, target=target, threads=threads
            )
        mine = samples.ms[name]
        estimate = statistics.ratio(base, mine, seed=settings.seed)
        results.append(
            ArmResult(
                name=name,
                file_sha256=each.artefact.sha256,
                file_path=_keep(job, each),
                latency_ms=float(np.median([ms for block in mine for ms in block])),
                ratio=estimate.ratio,
                ratio_interval=Interval(low=estimate.low, high=estimate.high),
                samples_ms=mine,
                memory=memories.get(each.artefact.sha256),
                profile=_profile(runtime, each, threads) if job.profile else None,
                details=each.artefact.details,
            )
        )
    notes = [target.notes] if target.notes else []
    if len(base[0]) < settings.rounds:
        notes.append(
            f"{len(base[0])} rounds a block instead of {settings.rounds}: "
            f"{settings.max_seconds:g} s leave room for no more"
        )
    provenance = recorder.finish(cpus=samples.cpus, versions=runtime.versions())
    if watch is not None:
        provenance.machine["gpu"] = watch.facts()
        slowed = nvml.remark(watch.samples)
        notes += [slowed] if slowed else []
    return MeasureResult(
        job_id=job.id,
        target=target.id,
        kind=target.kind,
        baseline=job.baseline,
        arms=results,
        stopped=samples.stopped,
        notes=notes,
        provenance=provenance,
    )


def _profile(runtime: Runtime, each: Prepared, threads: int) -> list[SiteTime]:
    with harness.pinned(threads):
        return runtime.profile(
            each.artefact.path, model=each.model, runs=_PROFILE_RUNS, threads=threads
        )


def _images(job: MeasureJob, model: Path) -> list[Image]:
    """Images to time with: of the calibration set where the job has one, else noise."""
    shape = image_input(onnx.load(model)).shape
    calibration = load_calibration(job.calibration)
    if calibration is not None and calibration.shape[1:] == shape[1:]:
        scaled = calibration[:_IMAGES].astype(np.float32) / np.float32(255)
        return [np.ascontiguousarray(image[None]) for image in scaled]
    rng = np.random.default_rng(job.settings.seed)
    return [rng.random(shape, dtype=np.float32) for _ in range(_IMAGES)]


def _keep(job: MeasureJob, each: Prepared) -> str | None:
    if job.keep_files is None:
        return None
    kept = Path(job.keep_files) / f"{each.arm.name}{each.artefact.path.suffix}"
    with atomic(kept) as part:
        shutil.copyfile(each.artefact.path, part)
    return str(kept)
