"""Cost table from one-swap models, as ActNAS does it (arXiv 2410.10887): one site, one activation.

Use it where a figure is exact (cost models), or where the recipe `paper` asks for it. On measured
targets a swap worth less than about 1 % of the whole model cannot be told from noise this way.
"""

from __future__ import annotations

import numpy as np

from devices.assignment import Assignment
from devices.protocol import MeasureResult
from engine.costs import arms
from engine.costs.table import CostTable

SOURCE = "one_at_a_time"
PROFILED = False


def assignments(original: Assignment, activations: tuple[str, ...]) -> dict[str, Assignment]:
    """The original and every one-swap model, by arm name ``swap:<site index>:<activation>``."""
    named = {arms.BASELINE: original}
    for row, (site, own) in enumerate(original):
        for activation in activations:
            if activation != own:
                named[f"swap:{row}:{activation}"] = original.replace({site: activation})
    return named


def table(
    result: MeasureResult, *, original: Assignment, activations: tuple[str, ...]
) -> CostTable:
    """Cost table of one-swap deltas (ms), taken from paired ratios times the baseline's latency.

    Memory deltas are filled in when every arm came back with a memory figure. Activations that
    only the original uses get a column that is known at its own sites alone.

    Raises:
        EngineError: an arm is missing from the result.
    """
    baseline = arms.find(result, arms.BASELINE)
    columns = arms.columns(original, activations)
    ms = np.full((len(original), len(columns)), np.nan)
    memory = np.full_like(ms, np.nan)
    base_memory = baseline.memory
    for row, (_, own) in enumerate(original):
        for column, activation in enumerate(columns):
            if activation == own:
                ms[row, column] = memory[row, column] = 0.0
            elif activation in activations:
                arm = arms.find(result, f"swap:{row}:{activation}")
                ms[row, column] = (arm.ratio - 1.0) * baseline.latency_ms
                if arm.memory is not None and base_memory is not None:
                    memory[row, column] = arm.memory.value - base_memory.value
    with_memory = base_memory is not None and bool((np.isnan(memory) == np.isnan(ms)).all())
    return CostTable(
        sites=original.sites,
        activations=columns,
        ms=ms,
        rest_ms=baseline.latency_ms,
        baseline=original,
        kind=result.kind,
        source=SOURCE,
        memory=memory if with_memory else None,
        rest_memory=base_memory.value if with_memory and base_memory else None,
        memory_unit=base_memory.unit if with_memory and base_memory else None,
        details={"arms": len(result.arms), "seconds": result.provenance.seconds},
    )
