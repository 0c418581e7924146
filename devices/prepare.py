"""What comes before measuring: checking a job, swapping and converting its arms."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from devices.artefacts import Store
from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.graph import check_untrusted, swap
from devices.protocol import Arm, File, MeasureJob
from devices.runtimes.base import Artefact, Calibration, Runtime, sha256
from devices.targets import Target

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Prepared:
    """An arm ready to run: its artefact, and the fp32 ONNX behind it (or the artefact itself)."""

    arm: Arm
    artefact: Artefact
    model: Path


def check(job: MeasureJob) -> None:
    """Whether the job is consistent in itself.

    Raises:
        BadRequest: repeated or unusable arm names, no baseline, an assignment for a ready artefact.
    """
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


def prepare(
    job: MeasureJob, target: Target, runtime: Runtime, folder: Path, report: Progress
) -> list[Prepared]:
    """Every arm of the job, converted, in the job's order. Files that are made lie in ``folder``.

    Raises:
        BadRequest: a file is missing, altered or not acceptable, or a site or activation unknown.
        Unsupported: the target cannot run an arm.
    """
    # Ranges do not move a modelled figure: its artefacts are made without the images.
    calibration = load_calibration(job.calibration) if target.needs_calibration else None
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
            prepared.append(Prepared(arm, ready, path))
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
            job.calibration.sha256 if job.calibration and calibration is not None else "",
            suffix=runtime.suffix,
            versions=runtime.versions(),
            make=partial(runtime.convert, model, target=target, calibration=calibration),
        )
        prepared.append(Prepared(arm, artefact, model))
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


def load_calibration(file: File | None) -> Calibration | None:
    """The images of a calibration file: uint8 [n, 3, h, w]; None without one.

    Raises:
        BadRequest: missing, altered, or not an .npz with such an array ``images``.
    """
    if file is None:
        return None
    path = _verified(file, what="calibration")
    try:
        with np.load(path, allow_pickle=False) as archive:
            images = archive["images"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadRequest(
            f"calibration file {path.name!r} must be an .npz with an array 'images': {error}"
        ) from None
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
        raise BadRequest(
            f"calibration images are {images.dtype} {list(images.shape)}; "
            "uint8 [n, 3, h, w] is needed"
        )
    return np.ascontiguousarray(images)
