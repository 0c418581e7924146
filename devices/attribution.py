"""Which node of the exported graph belongs to which site, for profilers to sum up by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from devices import graph
from devices.protocol import SiteTime

_FEEDERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_FOLDED = ("BatchNormalization", "Identity")  # every runtime folds these into what feeds them


@dataclass(frozen=True)
class Owned:
    """A site with the nodes whose time is its own.

    ``feeder`` is the node (by name, or by first output where it has none) whose result goes through
    the activation and nowhere else on the way: a convolution nearly always; None where there is
    none, as after an addition.
    """

    site: graph.Site
    feeder: str | None
    nodes: tuple[str, ...]


def owned_nodes(model: onnx.ModelProto) -> list[Owned]:
    """The sites of ``model`` in graph order, with the nodes that each owns."""
    writer = {out: node for node in model.graph.node for out in node.output}
    found = []
    for site in graph.find_sites(model):
        before = writer.get(site.input)
        folded = []
        while before is not None and before.op_type in _FOLDED:
            folded.append(graph.label(before))
            before = writer.get(before.input[0])
        is_feeder = before is not None and before.op_type in _FEEDERS
        feeder = graph.label(before) if before is not None and is_feeder else None
        found.append(Owned(site, feeder, (*(folded if is_feeder else ()), *site.nodes)))
    return found


def site_times(
    owners: Mapping[str, str], runs: list[dict[str, float]], *, sites: list[str]
) -> list[SiteTime]:
    """Kernel times of several runs, as the median time of every site, then the rest as site "".

    ``runs`` holds {kernel: ms} of each run and ``owners`` {kernel: site key}. Medians are taken per
    kernel and added up, so one disturbed kernel does not spoil its whole run.
    """
    by_kernel: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for kernel, ms in run.items():
            by_kernel[kernel].append(ms)
    totals = dict.fromkeys([*sites, ""], 0.0)
    for kernel, times in by_kernel.items():
        totals[owners.get(kernel, "")] += float(np.median(times))
    return [SiteTime(site=site, ms=ms) for site, ms in totals.items()]
