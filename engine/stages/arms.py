"""Train the arms, score the exported files on the test split, measure those very files."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from devices import runtimes, targets
from devices.assignment import Assignment
from devices.files import atomic
from devices.protocol import Arm as JobArm
from devices.protocol import MeasureJob, MeasureResult
from devices.runtimes.base import Artefact, sha256
from devices.targets import Target
from engine import evaluation, onnx_model, threads
from engine.arms import MIX, REFERENCE, UPLOADED
from engine.data import Split
from engine.evaluation import Evaluation
from engine.stages import distortion
from engine.stages.context import FINAL, Context
from engine.training.run import EXPORTED, WEIGHTS, read_summary

AGAIN = "reference again"  # the A/A arm of the final measurement
SESSIONS = 8  # each holds the whole model
MIN_BOXES = 20  # a class with fewer test boxes is left out of mAP, by name


def assignments(context: Context, picks: list[Any]) -> dict[str, Assignment]:
    """Every arm of the final comparison by name, the uploaded file first."""
    named = {UPLOADED: context.original, REFERENCE: context.original}
    named |= context.uniforms()
    for number, pick in enumerate(picks, start=1):
        name = MIX if number == 1 else f"{MIX}:{number}"
        named[name] = Assignment.from_pairs(pick)
    return named


def train(context: Context, named: dict[str, Assignment]) -> dict[str, Any]:
    """Export each arm's trained model into files/; ``{"arms": {name: facts}}``.

    All arms receive the same number of steps with the same data order and schedule, and their
    BatchNorm statistics are recomputed on the same images. Without data, or without a torch model,
    only the graph is swapped.

    Raises:
        Pending: trainings are being made elsewhere.
    """
    if not context.trains:
        swapped = {name: _swapped(context, name, a) for name, a in named.items()}
        if context.distorts:
            values = distortion.Scorer(context).score(list(named.values()), stage="arms")
            for facts, value in zip(swapped.values(), values, strict=True):
                facts["distortion"] = value
        return {"arms": swapped}
    specs = {
        name: context.training("arm", None if name == REFERENCE else assignment)
        for name, assignment in named.items()
        if name != UPLOADED
    }
    folders = dict(zip(specs, context.train_all(list(specs.values())), strict=True))
    found: dict[str, Any] = {UPLOADED: {"onnx": context.facts["base"], "training": None}}
    for name, folder in folders.items():
        onnx = _copy(folder / EXPORTED, context.spec.out / "files" / f"{_safe(name)}.onnx")
        weights = _copy(folder / WEIGHTS, context.spec.out / "files" / f"{_safe(name)}.pt")
        found[name] = {
            "onnx": context.keep(onnx),
            "state_dict": context.keep(weights),
            "training": specs[name].hash,
            "seconds": read_summary(folder)["seconds"],
        }
    return {"arms": {name: found[name] for name in named}}


def convert(context: Context, files: dict[str, Any]) -> dict[str, Any]:
    """The file that the target runs, of each arm: ``{"arms": {name: {"path", "sha256"}}}``."""
    runtime, found = runtimes.get(context.target), {}
    calibration = None
    if context.calibration is not None:
        calibration = np.load(context.calibration.path)["images"]

    def one(name: str) -> Artefact:
        source = context.spec.out / files["arms"][name]["onnx"]["path"]
        out = context.spec.out / "files" / f"{_safe(name)}.{context.target.id}{runtime.suffix}"
        return runtime.convert(source, target=context.target, out=out, calibration=calibration)

    names = list(files["arms"])
    workers = min(threads.use_all(), SESSIONS) if runtime.converts_on_one_thread else 1
    with ThreadPoolExecutor(workers) as pool:
        for number, (name, artefact) in enumerate(zip(names, pool.map(one, names), strict=True)):
            found[name] = {**context.keep(artefact.path), "details": artefact.details}
            context.progress("convert", (number + 1) / len(names), name)
    return {"arms": found}


def score(context: Context, files: dict[str, Any], converted: dict[str, Any]) -> dict[str, Any]:
    """mAP of each arm's file on the test split, with per-image matches kept for paired intervals.

    The file is run by the target's own runtime. Where the target's file cannot be scored the
    fp32 ONNX file is, and ``scored`` says so.
    """
    test = context.split("test")
    found: dict[str, Any] = {}
    kept: dict[str, Evaluation] = {}
    intervals: dict[str, Future[tuple[float, float]]] = {}
    with ThreadPoolExecutor(1) as aside:  # an interval takes a second, in which the next file runs
        for number, name in enumerate(files["arms"]):
            path, target, scored = scorable(
                context.target, context.spec.out, files, converted, name
            )
            evaluation_path = context.spec.out / "stages" / f"evaluation-{sha256(path)[:16]}.npz"
            kept[name] = _evaluate(context, path, target, evaluation_path, test)
            intervals[name] = aside.submit(evaluation.interval, kept[name], context.spec.seed)
            found[name] = {
                "map50": kept[name].map50,
                "map50_95": kept[name].map50_95,
                "per_class": kept[name].summary()["per_class"],
                "scored": scored,
            }
            context.progress("score", (number + 1) / len(files["arms"]), name)
    for name, interval in intervals.items():
        found[name]["map50_95_ci"] = list(interval.result())
    reference = kept[REFERENCE]
    for name, facts in found.items():
        facts["loss"] = reference.map50_95 - kept[name].map50_95
        facts["loss_ci"] = (
            [0.0, 0.0]
            if name == REFERENCE
            else list(evaluation.paired_interval(reference, kept[name], seed=context.spec.seed))
        )
    left_out = sorted(reference.left_out)
    return {"arms": found, "left_out": left_out, "images": len(test.images)}


def scorable(
    target: Target, out: Path, files: dict[str, Any], converted: dict[str, Any], name: str
) -> tuple[Path, Target, str]:
    """The file to score of an arm, the target whose runtime runs it, and what to call it."""
    artefact = converted["arms"][name]
    if target.kind == "measured":
        return out / artefact["path"], target, "the measured file"
    if artefact["details"].get("ranges_calibrated"):
        return out / artefact["path"], target, "the file that was costed"
    fp32 = targets.get("cpu-onnxruntime-fp32")
    return out / files["arms"][name]["onnx"]["path"], fp32, "the fp32 ONNX file"


def measure(context: Context, converted: dict[str, Any]) -> MeasureResult:
    """The final paired measurement of every arm's own file against the reference arm, one lease.

    The reference arm is in it twice (A/A): whether the lease was quiet shows in the lease itself.
    """
    files = {name: context.file(facts) for name, facts in converted["arms"].items()}
    if context.target.kind == "measured":
        files[AGAIN] = files[REFERENCE]
    job = MeasureJob(
        id=FINAL,
        target=context.spec.target,
        arms=[JobArm(name=name, file=file, ready=True) for name, file in files.items()],
        baseline=REFERENCE,
        settings=context.lease(half_width=0.004, number=2),
    )
    return context.measure(job)


def _evaluate(context: Context, path: Path, target: Target, kept: Path, test: Split) -> Evaluation:
    if kept.exists():
        return evaluation.load(kept)
    runtime = runtimes.get(target)
    number, each = shared_out(threads.use_all(), one_thread=runtime.one_thread)
    sessions = [runtime.open(path, threads=each) for _ in range(number)]
    try:
        # A split too small for any class to reach it is scored as it is; its intervals say so.
        enough = max(test.boxes().values(), default=0) >= MIN_BOXES
        found = evaluation.evaluate(
            sessions[0].run,
            test,
            also=[session.run for session in sessions[1:]],
            names=context.names,
            min_boxes=MIN_BOXES if enough else 1,
            pause=context.services.pause_point,
        )
    finally:
        for session in sessions:
            session.close()
    with atomic(kept) as part:
        evaluation.save(found, part)
    return found


def shared_out(processors: int, *, one_thread: bool) -> tuple[int, int]:
    """How many sessions score images side by side, and the threads of each.

    Single images are small: several sessions of one thread take less of a processor's time than
    one session of several threads, which wait for each other at every layer.
    """
    number = processors if one_thread else min(processors, SESSIONS)
    return number, 1 if one_thread else processors // number


def _swapped(context: Context, name: str, assignment: Assignment) -> dict[str, Any]:
    import onnx

    path = context.spec.out / "files" / f"{_safe(name)}.onnx"
    model = onnx.load(str(context.spec.out / context.facts["base"]["path"]))
    with atomic(path) as part:
        onnx.save(onnx_model.swapped(model, assignment), str(part))
    return {"onnx": context.keep(path), "training": None}


def _copy(source: Path, to: Path) -> Path:
    """``source`` under the name ``to``: the same file where the file system can, else a copy."""
    with atomic(to) as part:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
    return to


def _safe(name: str) -> str:
    return name.replace(":", "-").replace(" ", "-")
