"""Second stage: what the uniform models cost on the target, and from that the cost table."""

from __future__ import annotations

from typing import Any

import onnx

from devices import noise
from devices.protocol import MeasureJob, MeasureResult
from engine import costs
from engine.costs import arms, neighbours, step_memory
from engine.stages.context import Context

AGAIN = arms.AGAIN


def run(context: Context) -> dict[str, Any]:
    """``{"table", "noise_floor", "leases", "notes"}``: an A/A pair stands beside the table's arms.

    The table is filled by the search's cost model, or the one that suits the target. The floor is
    the device's where its checks are enough for one, else that of the pair in the first lease; 0 if
    modelled. Where memory is limited, and for the recipe `paper`, the table also holds memory,
    where the target's own planner says what is alive together.

    Raises:
        Pending: a measurement is being made elsewhere.
    """
    name = costs.choose(
        context.target,
        recipe=context.spec.recipe,
        memory_limited=context.spec.max_memory_ratio is not None,
        asked=context.spec.cost_model,
    )
    results: list[MeasureResult] = []

    def measure(job: MeasureJob) -> MeasureResult:
        results.append(context.measure(_with_pair(context, job)))
        return results[-1]

    base = onnx.load(context.base.path)
    table = costs.get(name)(
        costs.Setup(
            measure=measure,
            target=context.spec.target,
            base=context.base,
            original=context.original,
            activations=context.spec.activations,
            calibration=context.calibration,
            settings=context.lease(half_width=0.006, share=0.4),
            seed=context.spec.seed,
            pairs=tuple(neighbours.edges(base)),
        )
    )
    wanted = context.spec.max_memory_ratio is not None or context.spec.recipe == "paper"
    if wanted and context.target.runs_onnx:
        table = step_memory.fill(table, base, int8=context.target.precision == "int8")
    return {
        "table": table.to_json(),
        "noise_floor": noise.floor_of(results[0]),
        "leases": {one.job_id: one.provenance.model_dump(mode="json") for one in results},
        "notes": [note for one in results for note in one.notes],
    }


def _with_pair(context: Context, job: MeasureJob) -> MeasureJob:
    """``job`` with the original a second time, where that is measured and not in it already."""
    if context.target.kind != "measured" or any(arm.name == AGAIN for arm in job.arms):
        return job
    again = arms.arm(context.base, AGAIN, context.original)
    return job.model_copy(update={"arms": [*job.arms, again]})
