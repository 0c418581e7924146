"""One activation everywhere: each on every model, image size and target that is available here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devices import HARNESS_VERSION, runtimes, targets
from devices.errors import Unsupported
from devices.protocol import MeasureJob, MeasureResult, Settings
from devices.targets import Target
from devices.transports import local
from engine.costs import arms
from tests.benchmarks.devices import testbed
from tests.benchmarks.rows import Rows

# What the paper compares, and the two beside them that every target can run.
ACTIVATIONS = ("silu", "relu", "relu6", "leaky_relu", "hardswish", "gelu", "elu")
SIZES = (160, 320, 640)
SETTINGS = Settings(max_seconds=40.0, half_width=0.004, max_blocks=60, seed=1)
_TIMEOUT_S = 900.0  # conversions are no part of the lease


def cases(kinds: Sequence[str]) -> Iterator[tuple[str, int, Target]]:
    """(model, image size, target) of every lease, the small ones first."""
    targets_here = available(kinds)
    for imgsz in SIZES:
        for model in testbed.STRUCTURES:
            for target in targets_here:
                yield model, imgsz, target


def available(kinds: Sequence[str]) -> list[Target]:
    """The targets of these kinds whose runtime can be used on this machine."""
    found = []
    for target in targets.TARGETS:
        if target.kind not in kinds:
            continue
        try:
            runtimes.get(target).check()
        except Unsupported:
            continue
        found.append(target)
    return found


def inputs(model: str, imgsz: int, target: Target) -> dict[str, Any]:
    """What decides a row."""
    return {
        "model": model,
        "imgsz": imgsz,
        "target": target.id,
        "options": dict(target.options),
        "activations": list(ACTIVATIONS),
        # A cost model has nothing to repeat.
        "settings": {**SETTINGS.model_dump(mode="json"), "harness": HARNESS_VERSION}
        if target.kind == "measured"
        else None,
    }


def add(rows: Rows, work: Path, model: str, imgsz: int, target: Target) -> dict[str, Any]:
    """The row of one lease, measured if it is missing."""

    def make() -> dict[str, Any]:
        load = os.getloadavg()[0]
        base = testbed.base(model, imgsz, work)
        kept, refused = list(ACTIVATIONS), dict[str, str]()
        while True:
            try:
                result = _lease(base, imgsz, target, kept, work)
                break
            except Unsupported as error:
                named = [name for name in kept[1:] if f"'{name}'" in str(error)]
                if not named:
                    raise
                refused[named[0]] = str(error)
                kept.remove(named[0])
        return {
            "arms": {name: _figures(result, name) for name in kept},
            "refused": refused,
            "kind": result.kind,
            "stopped": result.stopped,
            "noise": result.noise.model_dump(mode="json") if result.noise else None,
            "samples_ms": {
                name: [[round(ms, 4) for ms in block] for block in result.arm(name).samples_ms]
                for name in kept
                if result.kind == "measured"
            },
            "base": {"sha256": base.file.sha256, "sites": len(base.original.sites)},
            "load_1min_before": round(load, 2) if target.kind == "measured" else None,
            "provenance": result.provenance.model_dump(mode="json"),
            "target": asdict(target),
        }

    return rows.add("uniform", inputs(model, imgsz, target), make)


def _lease(
    base: testbed.Base, imgsz: int, target: Target, activations: Sequence[str], work: Path
) -> MeasureResult:
    named = {name: base.uniform(name) for name in activations}
    job = MeasureJob(
        id=f"uniform-{target.id}-{imgsz}",
        target=target.id,
        arms=[arms.arm(base.file, name, assignment) for name, assignment in named.items()],
        baseline=activations[0],
        calibration=testbed.calibration(imgsz, work) if target.needs_calibration else None,
        settings=SETTINGS,
    )
    return local.run(job, timeout_s=_TIMEOUT_S)


def _figures(result: MeasureResult, name: str) -> dict[str, Any]:
    arm = result.arm(name)
    interval = arm.ratio_interval
    return {
        "latency_ms": arm.latency_ms,
        "ratio": arm.ratio,
        "interval": [interval.low, interval.high] if result.kind == "measured" else None,
        "memory": arm.memory.value if arm.memory else None,
        "memory_unit": arm.memory.unit if arm.memory else None,
        "ratio_one_table": arm.details.get("ratio_to_silu_table_baseline"),
        "blocks": len(arm.samples_ms),
    }
