"""``actnas measure``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from devices import activations, targets
from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.protocol import MeasureResult, Settings
from engine import assignments
from engine.arms import ONE_TABLE
from engine.commands.inputs import (
    Outcome,
    base_file,
    calibration_file,
    document_of,
    facts,
    load,
    sites_of,
)


def run(options: argparse.Namespace) -> Outcome:
    """Latency and memory of the original and, if one is named, a mix of it, in one job."""
    from devices.protocol import Arm, MeasureJob
    from devices.transports import local
    from engine.console import Reporter

    target = targets.get(options.target)
    if options.uniform is not None:
        activations.get(options.uniform)
    wanted = None if options.assignment is None else assignments.read(options.assignment)
    if not 0 < options.seconds < 3600:
        raise BadRequest(
            f"--seconds is {options.seconds}; more than 0 and less than 3600 is needed"
        )
    if target.needs_calibration and options.data is None:
        raise BadRequest(f"target {target.id} needs calibration images: give --data DATA.yaml")
    model = load(options)
    original = Assignment(tuple((path, activation) for path, activation, _ in sites_of(model)))
    if options.uniform is not None:
        wanted = Assignment.uniform(original.sites, options.uniform)
    if wanted is not None:
        wanted = assignments.fitted(wanted, original)
    # Without a mix the original is measured against itself: what this machine can tell apart.
    named = {"original": original, "mix" if wanted else "again": wanted or original}
    with tempfile.TemporaryDirectory(prefix="actnas-") as folder, Reporter() as reporter:
        base = base_file(model, Path(folder) / "base.onnx")
        calibration = None
        if target.precision == "int8" and options.data is not None:
            images = Path(folder) / "calibration.npz"
            calibration = calibration_file(options.data, model.imgsz, images)
        job = MeasureJob(
            id=f"measure-{model.sha256[:12]}",
            target=target.id,
            arms=[
                Arm(name=name, file=base, assignment=dict(assignment.mapping))
                for name, assignment in named.items()
            ],
            baseline="original",
            calibration=calibration,
            settings=Settings(max_seconds=options.seconds),
        )
        result = local.run(
            job,
            timeout_s=options.seconds + 900,
            progress=lambda fraction, text: reporter.progress("measure", fraction, text),
        )
    document = {
        "schema": "actnas.measure/1",
        "model": facts(model),
        "assignments": {name: document_of(a) for name, a in named.items()},
        "result": result.model_dump(),
    }
    return document, lambda: show_measured(result)


def show_measured(result: MeasureResult) -> None:
    """A table of the arms, and the notes."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{result.target}, {result.kind}", title_justify="left", header_style="bold"
    )
    for heading in ("arm", "latency ms", "ratio (95 % interval)", "memory"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for arm in result.arms:
        ends = arm.ratio_interval
        ratio = f"{arm.ratio:.3f}"
        if result.kind == "measured":
            ratio += f" ({ends.low:.3f}-{ends.high:.3f})"
        if (one_table := arm.details.get(ONE_TABLE)) is not None:
            ratio += f"; {one_table:.3f} with SiLU as one table"
        memory = f"{arm.memory.value:.1f} {arm.memory.unit}" if arm.memory else "-"
        table.add_row(arm.name, f"{arm.latency_ms:.3f}", ratio, memory)
    console = Console()
    console.print(table)
    for note in result.notes:
        console.print(f"note: {note}", style="dim", highlight=False)
