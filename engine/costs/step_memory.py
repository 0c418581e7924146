"""What is alive at each step of an inference, for targets whose memory our own planner lays out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from devices import graph, memory
from engine.costs.steps import MemorySteps
from engine.costs.table import CostTable

ELSEWHERE = "elsewhere"  # the largest of all steps that run no activation


def fill(table: CostTable, base: onnx.ModelProto, *, int8: bool) -> CostTable:
    """``table`` with the memory steps of ``base``, an ONNX graph with the table's sites.

    There is one step a site, the largest of those of its activation's nodes, and one for all other
    nodes. A site's activation changes what is alive at its own steps only: its input and output
    stay as they are. The planned arena is at least the largest step and nearly always equals it.

    Raises:
        devices.errors.MeasurementFailed: the shape of a tensor is not static.
    """
    shape = table.ms.shape
    alive = np.zeros(shape)
    for column, name in enumerate(table.activations):
        uniform = graph.swap(base, dict.fromkeys(table.sites, name))
        alive[:, column], _ = _by_site(uniform, table, int8=int8)
    own, elsewhere = _by_site(graph.swap(base, table.baseline.mapping), table, int8=int8)
    change = np.zeros((shape[0] + 1, *shape))
    rows = np.arange(shape[0])
    change[rows, rows] = alive - own[:, None]
    steps = MemorySteps(
        labels=(*table.sites, ELSEWHERE),
        base=np.append(own, elsewhere),
        change=change,
        unit="B",
    )
    return replace(table, steps=steps)


def _by_site(model: onnx.ModelProto, table: CostTable, *, int8: bool) -> tuple[np.ndarray, float]:
    """Bytes alive at the largest step of each site, [sites], and of everything else."""
    row_of = {
        label: table.rows[site.key] for site in graph.find_sites(model) for label in site.nodes
    }
    alive, elsewhere = np.zeros(len(table.sites)), 0.0
    for label, count in memory.alive_bytes(model, int8=int8):
        row = row_of.get(label)
        if row is None:
            elsewhere = max(elsewhere, count)
        else:
            alive[row] = max(alive[row], count)
    return alive, elsewhere
