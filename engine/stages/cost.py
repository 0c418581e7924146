"""Second stage: what the uniform models cost on the target, and from that the cost table."""

from __future__ import annotations

from typing import Any

import onnx

from devices import noise
from engine import costs
from engine.costs import arms, step_memory
from engine.stages.context import Context

AGAIN = arms.AGAIN


def run(context: Context) -> dict[str, Any]:
    """``{"table", "noise_floor", "leases"}``: an A/A pair stands beside the table's own arms.

    The floor is the device's where its checks are enough for one, else the pair's; 0 if modelled.
    """
    way = costs.choose(
        context.target,
        recipe=context.spec.recipe,
        memory_limited=context.spec.max_memory_ratio is not None,
    )
    job = arms.job(
        id="cost-table",
        target=context.spec.target,
        base=context.base,
        arms=way.assignments(context.original, context.spec.activations),
        calibration=context.calibration,
        settings=context.lease(half_width=0.006, share=0.4),
        profile=way.PROFILED,
    )
    measured = context.target.kind == "measured"
    if measured:
        job.arms.append(arms.arm(context.base, AGAIN, context.original))
    result = context.measure(job)
    table = way.table(result, original=context.original, activations=context.spec.activations)
    if context.spec.max_memory_ratio is not None and context.target.runs_onnx:
        int8 = context.target.precision == "int8"
        table = step_memory.fill(table, onnx.load(context.base.path), int8=int8)
    return {
        "table": table.to_json(),
        "noise_floor": noise.floor_of(result),
        "leases": {job.id: result.provenance.model_dump(mode="json")},
        "notes": result.notes,
    }
