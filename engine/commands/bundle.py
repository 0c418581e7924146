"""``actnas bundle`` and ``actnas results``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from devices import activations, targets
from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.protocol import Arm, MeasureJob, Settings
from devices.targets import Target
from engine.commands.inputs import (
    Outcome,
    base_file,
    calibration_file,
    facts,
    load,
    names_in,
    sites_of,
)

AGAIN = "original again"


def run(options: argparse.Namespace) -> Outcome:
    """A folder that measures the original and every uniform model on each target, elsewhere."""
    from devices.transports import bundle

    wanted = [targets.get(name) for name in dict.fromkeys(options.target)]
    names = names_in(options.activations)
    for name in names:
        activations.get(name)
    if not 0 < options.seconds < 3600:
        raise BadRequest(
            f"--seconds is {options.seconds}; more than 0 and less than 3600 is needed"
        )
    blind = [target.id for target in wanted if target.needs_calibration]
    if blind and options.data is None:
        raise BadRequest(f"target {blind[0]} needs calibration images: give --data DATA.yaml")
    if options.out.exists():
        raise BadRequest(f"{options.out} exists; name a folder that does not")
    model = load(options)
    original = Assignment(tuple((path, activation) for path, activation, _ in sites_of(model)))
    with tempfile.TemporaryDirectory(prefix="actnas-") as folder:
        base = base_file(model, Path(folder) / "base.onnx")
        images = None
        if options.data is not None and any(target.precision == "int8" for target in wanted):
            images = calibration_file(options.data, model.imgsz, Path(folder) / "images.npz")
        plain = MeasureJob(
            id=f"uniform-{model.sha256[:12]}",
            target=wanted[0].id,
            arms=[
                Arm(name=name, file=base, assignment=dict(assignment.mapping))
                for name, assignment in _arms(original, names).items()
            ],
            baseline="original",
            settings=Settings(max_seconds=options.seconds),
        )
        made = bundle.write([_on(plain, target, images) for target in wanted], options.out)
    document = {
        "schema": "actnas.bundle-made/1",
        "model": facts(model),
        "folder": str(options.out),
        "jobs": [{"sha256": one.sha256, "target": one.job.target} for one in made.jobs],
    }
    return document, lambda: print(f"{len(made.jobs)} jobs in {options.out}; see its README.md")


def _arms(original: Assignment, names: list[str]) -> dict[str, Assignment]:
    uniform = {f"uniform:{name}": Assignment.uniform(original.sites, name) for name in names}
    others = {name: mix for name, mix in uniform.items() if mix != original}
    return {"original": original, AGAIN: original, **others}


def _on(job: MeasureJob, target: Target, images: object) -> MeasureJob:
    update: dict[str, object] = {"target": target.id}
    if target.kind == "modelled":  # exact: nothing to compare with itself
        update["arms"] = [arm for arm in job.arms if arm.name != AGAIN]
    if target.precision == "int8":
        update["calibration"] = images
    return job.model_copy(update=update)


def results(options: argparse.Namespace) -> Outcome:
    """What a bundle brought back, each result held against its job."""
    from devices.transports import bundle
    from engine.commands.measure import show_measured

    asked = {one.sha256: one.job for one in bundle.manifest(options.folder).jobs}
    returned = bundle.read(options.folder / bundle.RESULTS).returned
    found = []
    for one in returned:
        if one.sha256 not in asked:
            raise BadRequest(f"a result is of job {one.sha256[:12]}..., which this bundle has not")
        if one.result is not None:
            bundle.check(one.result, asked[one.sha256])
            found.append(one.result)
    failed = [{"sha256": one.sha256, "error": one.error} for one in returned if one.error]
    document = {
        "schema": "actnas.measured/1",
        "results": [result.model_dump(mode="json") for result in found],
        "failed": failed,
        "missing": sorted(set(asked) - {one.sha256 for one in returned}),
    }

    def show() -> None:
        for result in found:
            show_measured(result)
        for one in failed:
            print(f"job {one['sha256'][:12]}... failed: {one['error']}")
        if document["missing"]:
            print(f"not measured: {len(document['missing'])} of {len(asked)} jobs")

    return document, show
