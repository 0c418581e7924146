"""Arms and results for tests that need them filled in."""

from __future__ import annotations

from typing import Any

from devices.assignment import Assignment
from devices.protocol import Provenance as Lease
from engine.arms import Arm, Limits
from engine.result import (
    Candidate,
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
from engine.verdict import decide
from tests.engine.solvers import problems

SITES = ("model.0.act", "model.1.act", "model.2.act")
SILU = Assignment.uniform(SITES, "silu")
MIX = SILU.replace({"model.1.act": "relu"})


def arm(
    name: str,
    ratio: float | None = 1.0,
    *,
    width: float | None = 0.01,
    loss: float | None = 0.0,
    **fields: Any,
) -> Arm:
    """An arm whose ratio interval is ``width`` wide to each side (None: modelled)."""
    if name.startswith("uniform:"):
        assignment = Assignment.uniform(SITES, name.partition(":")[2])
    else:
        assignment = MIX if name.startswith("mix") else SILU
    measured = ratio is not None and width is not None
    known: dict[str, Any] = {
        "name": name,
        "assignment": assignment,
        "latency_ratio": ratio,
        "latency_ms": None if ratio is None else 10 * ratio,
        "ratio_ci": (ratio - width, ratio + width) if measured else None,  # type: ignore[operator]
        "map50_95": None if loss is None else 0.75 - loss,
        "loss": loss,
        "lease": "final",
    }
    return Arm(**{**known, **fields})


def result() -> Result:
    """A small search on a measured target, every field filled in."""
    arms = [
        arm("uploaded", 1.01, loss=0.6),
        arm("reference", 1.0, map50_95_ci=(0.70, 0.79), memory=12.5, memory_unit="MiB"),
        arm("uniform:relu", 0.80, loss=0.03, loss_ci=(0.02, 0.04)),
        arm(
            "mix",
            0.81,
            loss=0.002,
            loss_ci=(-0.001, 0.005),
            map50=0.9,
            file="files/mix.onnx",
            file_sha256="a" * 64,
            memory=11.0,
            memory_ratio=0.88,
            memory_unit="MiB",
        ),
    ]
    limits = Limits(max_map_loss=0.015, max_latency_ratio=0.85)
    target = "cpu-openvino-fp32"
    file = FileFacts(path="files/mix.onnx", sha256="a" * 64)
    return Result(
        model=ModelFacts(
            sha256="b" * 64, kind="pt", family="YOLOv8n", classes=147, imgsz=320, weights=True
        ),
        data=DataFacts(sha256="c" * 64, classes=147, images={"train": 9, "val": 3, "test": 300}),
        target=target,
        kind="measured",
        recipe="supernet",
        limits=limits,
        seed=0,
        sites=[SiteFacts(path=site, activation="silu", shape=(16, 80, 80)) for site in SITES],
        arms=arms,
        cost_table=CostTableDocument.of(problems.table(sites=3, memory=True)),
        estimates=[
            Estimate(
                estimator="sensitivity",
                unit="mAP50-95",
                higher_is_better=False,
                activations=["silu", "relu"],
                penalty=[[0.0, 0.1], [0.0, 0.2], [0.0, None]],
                scores=[Score(assignment=MIX, value=0.74)],
            )
        ],
        candidates=[
            Candidate(
                assignment=MIX,
                solver="milp",
                penalty=0.2,
                predicted_ratio=0.82,
                measured_ratio=0.815,
                interval=(0.805, 0.825),
                map50_95=0.74,
                pareto=True,
                chosen=True,
            )
        ],
        chosen=[Chosen(arm="mix", assignment=file, model=file, state_dict=file, yaml=file)],
        verdict=decide(
            arms, limits=limits, target=target, kind="measured", noise_floor=0.004, images=300
        ),
        training=TrainingFacts(hash="d" * 16, settings={"epochs": 4}, teacher=None, seconds=1.0),
        noise_floor=0.004,
        provenance=Provenance(
            machine={"processor": "x86_64"},
            versions={"torch": "2"},
            leases={
                "final": Lease(
                    harness="1", machine={}, versions={}, started_at="2026-01-01", seconds=1.0
                )
            },
        ),
        stages_s={"inspect": 1.5, "measure": 40.0},
        notes=["left out of mAP: 3 classes"],
    )
