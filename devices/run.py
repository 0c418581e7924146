"""Runs one measurement job in this process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from devices import harness, runtimes, statistics, targets
from devices.artefacts import Store
from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.files import atomic
from devices.graph import check_untrusted, image_input, swap
from devices.protocol import (
    Arm,
    ArmResult,
    File,
    Interval,
    MeasureJob,
    MeasureResult,
    Memory,
    SiteTime,
)
from devices.provenance import Recorder
from devices.runtimes.base import Artefact, Calibration, Image, Modelled, Runtime, sha256
from devices.targets import Target

Progress = Callable[[float, str], None]
_PROFILE_RUNS = 40
_IMAGES = 4


@dataclass(frozen=True)
class _Prepared:
    """An arm ready to run: its artefact, and the fp32 ONNX behind it (or the artefact itself)."""

    arm: Arm
    artefact: Artefact
    model: Path


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
    _check(job)
    runtime = runtimes.get(target)
    recorder = Recorder(threads=job.settings.threads)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="actnas-job-")))
        arms = _prepare(job, target, runtime, folder, report)
        if target.kind == "modelled":
            return _modelled(job, target, runtime, arms, recorder, report)
        return _measured(job, target, runtime, arms, recorder, report)


def _check(job: MeasureJob) -> None:
    names = [arm.name for arm in job.arms]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise BadRequest(f"two arms are called {sorted(repeated)[0]!r}; names must differ")
    if job.baseline not in names:
        raise BadRequest(f"baseline {job.baseline!r} is no arm; arms: {', '.join(names)}")
    for arm in job.arms:
        if "/" in arm.name or "\0" in arm.name or arm.name.strip(". ") == "":
            raise BadRequest(f"arm name {arm.name!r} must be usable as a file name, without '/'")
        if arm.ready and arm.assignment is not None:
            raise BadRequest(f"arm {arm.name!r} is a ready artefact; it takes no assignment")


def _prepare(
    job: MeasureJob, target: Target, runtime: Runtime, folder: Path, report: Progress
) -> list[_Prepared]:
    # Ranges do not move a modelled figure: its artefacts are made without the images.
    calibration = _calibration(job.calibration) if target.needs_calibration else None
    checked: dict[tuple[str, str], onnx.ModelProto | None] = {}
    store = Store(folder)
    prepared = []
    for n, arm in enumerate(job.arms):
        report(0.3 * n / len(job.arms), f"converting {arm.name}")
        identity = (arm.file.path, arm.file.sha256)
        if identity not in checked:
            path = _verified(arm.file, what=f"arm {arm.name!r}")
            is_onnx = path.suffix == ".onnx" or not arm.ready
            checked[identity] = check_untrusted(path) if is_onnx else None
        base = checked[identity]
        if arm.ready:
            path = Path(arm.file.path)
            ready = Artefact(path, arm.file.sha256)
            prepared.append(_Prepared(arm, ready, path))
            continue
        assert base is not None
        model = Path(arm.file.path)
        if arm.assignment is not None:
            model = folder / f"swapped-{n}.onnx"
            onnx.save(swap(base, arm.assignment), model)
        assignment = "as it is"
        if arm.assignment is not None:
            assignment = Assignment.from_mapping(arm.assignment).hash
        artefact = store.get_or_make(
            arm.file.sha256,
            assignment,
            target.id,
            job.calibration.sha256 if job.calibration and target.precision == "int8" else "",
            suffix=runtime.suffix,
            versions=runtime.versions(),
            make=partial(runtime.convert, model, target=target, calibration=calibration),
        )
        prepared.append(_Prepared(arm, artefact, model))
    return prepared


def _verified(file: File, *, what: str) -> Path:
    path = Path(file.path)
    if not path.is_file():
        raise BadRequest(f"{what}: there is no file {file.path!r} on this machine")
    found = sha256(path)
    if found != file.sha256:
        raise BadRequest(
            f"{what}: file {path.name!r} has sha256 {found[:16]}..., "
            f"the job names {file.sha256[:16]}..."
        )
    return path


def _calibration(file: File | None) -> Calibration | None:
    if file is None:
        return None
    path = _verified(file, what="calibration")
    try:
        with np.load(path, allow_pickle=False) as archive:
            images = archive["images"]
    except (OSError, ValueError, KeyError) as error:
        raise BadRequest(
            f"calibration file {path.name!r} must be an .npz with an array 'images': {error}"
        ) from None
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
        raise BadRequest(
            f"calibration images are {images.dtype} {list(images.shape)}; "
            "uint8 [n, 3, h, w] is needed"
        )
    return np.ascontiguousarray(images)


def _modelled(
    job: MeasureJob,
    target: Target,
    runtime: Runtime,
    arms: list[_Prepared],
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
    arms: list[_Prepared],
    recorder: Recorder,
    report: Progress,
) -> MeasureResult:
    settings = job.settings
    threads = settings.threads
    samples = harness.measure(
        {e.arm.name: runtime.opener(e.artefact.path, threads=threads) for e in arms},
        baseline=job.baseline,
        settings=settings,
        inputs=_images(job, arms[0].model),
        between=lambda state: report(
            0.3 + 0.5 * min(state.seconds / settings.max_seconds, 1.0),
            f"block {state.blocks}, widest interval +-{state.half_width:.4f}",
        ),
    )
    base = samples.ms[job.baseline]
    memories: dict[str, Memory] = {}
    results = []
    for n, each in enumerate(arms):
        name = each.arm.name
        report(0.8 + 0.2 * n / len(arms), f"memory{' and profile' * job.profile} of {name}")
        if each.artefact.sha256 not in memories:
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
                memory=memories[each.artefact.sha256],
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
    return MeasureResult(
        job_id=job.id,
        target=target.id,
        kind=target.kind,
        baseline=job.baseline,
        arms=results,
        stopped=samples.stopped,
        notes=notes,
        provenance=recorder.finish(cpus=samples.cpus, versions=runtime.versions()),
    )


def _profile(runtime: Runtime, each: _Prepared, threads: int) -> list[SiteTime]:
    with harness.pinned(threads):
        return runtime.profile(
            each.artefact.path, model=each.model, runs=_PROFILE_RUNS, threads=threads
        )


def _images(job: MeasureJob, model: Path) -> list[Image]:
    """Images to time with: of the calibration set where the job has one, else noise."""
    shape = image_input(onnx.load(model)).shape
    calibration = _calibration(job.calibration)
    if calibration is not None and calibration.shape[1:] == shape[1:]:
        scaled = calibration[:_IMAGES].astype(np.float32) / np.float32(255)
        return [np.ascontiguousarray(image[None]) for image in scaled]
    rng = np.random.default_rng(job.settings.seed)
    return [rng.random(shape, dtype=np.float32) for _ in range(_IMAGES)]


def _keep(job: MeasureJob, each: _Prepared) -> str | None:
    if job.keep_files is None:
        return None
    kept = Path(job.keep_files) / f"{each.arm.name}{each.artefact.path.suffix}"
    with atomic(kept) as part:
        shutil.copyfile(each.artefact.path, part)
    return str(kept)
