"""Last stage: put what was found together, decide, and write the chosen files' companions."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from devices.assignment import Assignment
from devices.protocol import MeasureResult
from engine import verdict
from engine.arms import REFERENCE, Arm, Limits
from engine.costs import CostTable
from engine.result import (
    Chosen,
    CostTableDocument,
    DataFacts,
    Estimate,
    FileFacts,
    ModelFacts,
    Provenance,
    Result,
    Score,
    SiteFacts,
    TrainingFacts,
)
from engine.stages import candidates, distortion
from engine.stages.accuracy import val_estimator
from engine.stages.context import Context
from engine.training import last_quarter
from engine.training.run import read_summary

_PACKAGES = ("actnas-bench", "torch", "ultralytics", "onnx", "onnxruntime", "numpy", "scipy")


@dataclass(frozen=True)
class Findings:
    """What each stage gave back; ``scores`` is None where nothing was trained."""

    cost: dict[str, Any]
    estimate: dict[str, Any]
    chosen: dict[str, Any]
    named: dict[str, Assignment]
    files: dict[str, Any]
    converted: dict[str, Any]
    scores: dict[str, Any] | None
    final: dict[str, Any]


def build(context: Context, found: Findings) -> Result:
    """The result document; ``stages_s`` is filled in by the caller."""
    final = MeasureResult.model_validate(found.final)
    arms = [_arm(context, name, found, final) for name in found.named]
    noise = final.noise
    floor = found.cost["noise_floor"] if noise is None else noise.floor
    limits = Limits(
        max_map_loss=context.spec.max_map_loss,
        max_latency_ratio=context.spec.max_latency_ratio,
        max_memory_ratio=context.spec.max_memory_ratio,
    )
    answer = verdict.decide(
        arms,
        limits=limits,
        target=context.spec.target,
        kind=context.target.kind,
        noise_floor=floor,
        images=found.scores["images"] if found.scores else None,
    )
    leases = {**found.cost["leases"], **found.chosen["leases"]}
    leases[final.job_id] = final.provenance.model_dump(mode="json")
    facts = context.facts
    return Result(
        model=ModelFacts(
            sha256=facts["sha256"],
            kind=facts["kind"],
            family=facts["family"],
            classes=len(facts["names"]),
            imgsz=facts["imgsz"],
            weights=facts["weights"],
        ),
        data=DataFacts.model_validate(facts["data"]) if facts["data"] else None,
        target=context.spec.target,
        kind=context.target.kind,
        recipe=context.spec.recipe,
        limits=limits,
        seed=context.spec.seed,
        sites=[
            SiteFacts(path=s["path"], activation=s["activation"], shape=tuple(s["shape"]) or None)
            for s in facts["sites"]
        ],
        arms=arms,
        cost_table=CostTableDocument.of(CostTable.from_json(found.chosen["table"])),
        estimates=_estimates(context, found),
        candidates=[candidates.document(row) for row in found.chosen["candidates"]],
        chosen=[_chosen(context, arm, found) for arm in arms if arm.is_mix],
        verdict=answer,
        training=_training(context, found),
        noise_floor=floor,
        noisy=noise is not None and noise.noisy,
        provenance=Provenance(
            machine={
                "system": platform.platform(),
                "python": platform.python_version(),
                "processor": platform.machine(),
            },
            versions={name: importlib.metadata.version(name) for name in _installed()},
            leases=leases,
        ),
        stages_s={},
        notes=_notes(context, found, final),
    )


def _arm(context: Context, name: str, found: Findings, final: MeasureResult) -> Arm:
    measured, base = final.arm(name), final.arm(REFERENCE)
    memory, base_memory = measured.memory, base.memory
    file = found.converted["arms"][name]
    fields: dict[str, Any] = {
        "name": name,
        "assignment": found.named[name],
        "file": file["path"],
        "file_sha256": file["sha256"],
        "latency_ms": measured.latency_ms,
        "latency_ratio": measured.ratio,
        "ratio_ci": (
            (measured.ratio_interval.low, measured.ratio_interval.high)
            if context.target.kind == "measured"
            else None
        ),
        "lease": final.job_id,
        "details": {
            **measured.details,
            "samples_ms": measured.samples_ms,
            "onnx": found.files["arms"][name]["onnx"],
            "training": found.files["arms"][name]["training"],
        },
    }
    if memory is not None:
        fields |= {"memory": memory.value, "memory_unit": memory.unit}
        fields["details"]["memory"] = memory.model_dump(mode="json")
        if base_memory is not None:
            fields["memory_ratio"] = memory.value / base_memory.value
    if "distortion" in found.files["arms"][name]:
        fields["details"]["output_distortion"] = found.files["arms"][name]["distortion"]
    if found.scores is not None:
        score = found.scores["arms"][name]
        fields |= {key: score[key] for key in ("map50", "map50_95", "loss")}
        fields |= {key: tuple(score[key]) for key in ("map50_95_ci", "loss_ci")}
        fields["details"] |= {"per_class": score["per_class"], "scored": score["scored"]}
    return Arm(**fields)


def _estimates(context: Context, found: Findings) -> list[Estimate]:
    estimates = [Estimate.model_validate(found.estimate)]
    distorted = _distortions(found)
    if distorted:
        estimates.append(
            Estimate(
                estimator=distortion.ESTIMATOR,
                unit=distortion.UNIT,
                higher_is_better=False,
                activations=estimates[0].activations,
                scores=distorted,
            )
        )
    scored = [row for row in found.chosen["candidates"] if row["map50_95"] is not None]
    if scored:
        estimator = val_estimator(context.spec.recipe)
        estimates.append(
            Estimate(
                estimator=estimator.name,
                unit=f"{estimator.unit} on val",
                higher_is_better=estimator.higher_is_better,
                activations=estimates[0].activations,
                scores=[
                    Score(assignment=_assignment(row), value=row["map50_95"]) for row in scored
                ],
            )
        )
    return estimates


def _distortions(found: Findings) -> list[Score]:
    """Output distortion of every arm and candidate that has one, each mix once."""
    values = {
        found.named[name]: facts["distortion"]
        for name, facts in found.files["arms"].items()
        if "distortion" in facts
    }
    for row in found.chosen["candidates"]:
        if row.get("distortion") is not None:
            values.setdefault(_assignment(row), row["distortion"])
    return [Score(assignment=mix, value=value) for mix, value in values.items()]


def _assignment(row: dict[str, Any]) -> Assignment:
    return Assignment.from_pairs(row["choices"])


def _chosen(context: Context, arm: Arm, found: Findings) -> Chosen:
    """The companions of a mix's file: assignment, state dict and YAML, never a pickled model."""
    folder = context.spec.out / "files"
    stem = Path(found.files["arms"][arm.name]["onnx"]["path"]).stem
    assignment = folder / f"{stem}.assignment.json"
    assignment.write_text(arm.assignment.to_json())
    facts: dict[str, Any] = {"state_dict": None, "yaml": None}
    weights = found.files["arms"][arm.name].get("state_dict")
    if weights is not None:
        facts["state_dict"] = FileFacts(**weights)
    if context.model.yaml is not None:
        path = folder / "model.yaml"
        path.write_text(yaml.safe_dump(context.model.yaml, sort_keys=False))
        facts["yaml"] = FileFacts(**context.keep(path))
    assert arm.file is not None
    assert arm.file_sha256 is not None
    return Chosen(
        arm=arm.name,
        assignment=FileFacts(**context.keep(assignment)),
        model=FileFacts(path=arm.file, sha256=arm.file_sha256),
        **facts,
    )


def _training(context: Context, found: Findings) -> TrainingFacts | None:
    if not context.trains:
        return None
    spec = context.training("supernet" if context.spec.recipe == "supernet" else "adapt")
    (folder,) = context.train_all([spec])
    seconds = sum(facts.get("seconds") or 0.0 for facts in found.files["arms"].values()) + float(
        read_summary(folder)["seconds"]
    )
    settings = asdict(context.settings)
    settings["activations"] = list(context.settings.activations)
    settings["precision"] = read_summary(folder).get("precision")
    return TrainingFacts(
        hash=spec.hash,
        settings=settings,
        teacher=_teacher(context),
        seconds=seconds,
        reference_gain=_reference_gain(context),
    )


def _reference_gain(context: Context) -> float | None:
    (folder,) = context.train_all([context.training("arm")])
    found = read_summary(folder).get("last_quarter")
    return None if found is None else float(found["gain"])


def _teacher(context: Context) -> str | None:
    spec = context.training("arm").teacher
    if spec is None:
        return None
    (folder,) = context.train_all([spec])
    return str(read_summary(folder)["teacher"])


def _notes(context: Context, found: Findings, final: MeasureResult) -> list[str]:
    table = CostTable.from_json(found.chosen["table"])
    notes = [context.target.notes, *final.notes, table.within_noise(found.cost["noise_floor"])]
    notes += _said_of_costs(table)
    if context.spec.recipe == "paper" and context.trains:
        notes.append(
            "mixes maximise the summed NWOT gains of one-swap models under the limits; ActNAS does "
            "not publish its objective, this one is ours"
        )
    if found.scores is not None:
        left_out = found.scores["left_out"]
        if left_out:
            notes.append(f"left out of mAP for too few test boxes: {', '.join(left_out)}")
        scored = {facts["scored"] for facts in found.scores["arms"].values()}
        notes.append(f"mAP is of {' and '.join(sorted(scored))}, on the test split")
        notes.append("loss counts from the reference arm")
        gain = _reference_gain(context)
        if gain is not None and gain >= last_quarter.ENOUGH:
            notes.append(
                f"the reference arm still gained {gain:.3f} mAP50-95 on val in the last quarter of "
                "its epochs: longer training may change what is lost"
            )
    elif context.distorts:
        notes.append(
            "cost study: an ONNX file cannot be trained; output distortion (0 = the original) was "
            f"measured on up to {distortion.MIX_IMAGES} train images and is no mAP"
        )
    elif context.spec.data is None:
        notes.append("cost study: no data set was given, so nothing was trained or scored")
    return list(dict.fromkeys(note for note in notes if note))


def _said_of_costs(table: CostTable) -> list[str]:
    """How far off a table that measured it was, and what no additive table holds, by name."""
    held_out = table.details.get("held_out")
    notes = []
    if held_out is not None:
        notes.append(
            f"predicted latency ratios were off by {held_out['mean_abs_error']:.4f} on average, "
            f"over {held_out['n']} mixes that the prediction had not seen"
        )
    return notes + [effect["label"] for effect in table.details.get("neighbours", [])]


def _installed() -> list[str]:
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    return [name for name in _PACKAGES if name in installed]
