"""Time per site in ONNX Runtime: its profiler's kernels, traced back to the exported graph."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from devices.attribution import Owned, owned_nodes, site_times
from devices.errors import MeasurementFailed
from devices.protocol import SiteTime

_WARM_UP = 3
_KERNEL = "_kernel_time"
_CONVERSIONS = ("ReorderInput", "ReorderOutput", "QuantizeLinear", "DequantizeLinear")


def profile(
    artefact: Path, *, model: Path, runs: int, options: onnxruntime.SessionOptions
) -> list[SiteTime]:
    """Median ms per site, in graph order, then the rest as "".

    The optimiser renames, fuses and re-lays nodes, so the graph that really runs is saved beside
    the trace and each site is found in it again: everything on the way from the site's convolution
    to its activation belongs to the site, and so do the layout and type conversions right behind
    it, which are there or not depending on the activation.

    Raises:
        MeasurementFailed: a site has no kernel in the optimised graph.
    """
    with tempfile.TemporaryDirectory(prefix="actnas-profile-") as folder:
        optimised = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "trace")
        session = onnxruntime.InferenceSession(
            str(artefact), options, providers=["CPUExecutionProvider"]
        )
        image = session.get_inputs()[0]
        feed = {image.name: np.full(image.shape, 0.5, np.float32)}
        for _ in range(runs + _WARM_UP):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
        del session
        executed = onnx.load(optimised).graph
    owned = owned_nodes(onnx.load(model))
    owners = owners_of_kernels(executed, owned)
    times = _kernel_times(events)[_WARM_UP:]
    return site_times(owners, times, sites=[each.site.key for each in owned])


def _kernel_times(events: Iterable[Mapping[str, object]]) -> list[dict[str, float]]:
    """{kernel: ms} of every run, in order; a run's kernels end before its own event does."""
    runs: list[dict[str, float]] = []
    kernels: dict[str, list[tuple[int, float]]] = defaultdict(list)
    spans: list[tuple[int, int]] = []
    for event in events:
        name, start, duration = str(event["name"]), event.get("ts"), event.get("dur")
        if not isinstance(start, int) or not isinstance(duration, int):
            continue
        if name == "model_run":
            spans.append((start, start + duration))
        elif event.get("cat") == "Node" and name.endswith(_KERNEL):
            kernels[name.removesuffix(_KERNEL)].append((start, duration / 1e3))
    for begin, end in sorted(spans):
        runs.append(
            {
                name: sum(ms for start, ms in times if begin <= start <= end)
                for name, times in kernels.items()
            }
        )
    return runs


def owners_of_kernels(executed: onnx.GraphProto, owned: list[Owned]) -> dict[str, str]:
    """{node name of the optimised graph: site key}.

    Raises:
        MeasurementFailed: a site has no node there.
    """
    nodes = list(executed.node)
    writer = {out: i for i, node in enumerate(nodes) for out in node.output if out}
    readers: dict[str, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        for name in node.input:
            readers[name].append(i)
    by_stem: dict[str, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        for stem in _stems(node):
            by_stem[stem].append(i)

    owners: dict[str, str] = {}
    for each in owned:
        marks = {each.site.input, each.site.output, *each.nodes}
        if each.feeder is not None:
            marks.add(each.feeder)
        anchors = {i for mark in marks for i in by_stem[mark]}
        if not anchors:
            raise MeasurementFailed(
                f"ONNX Runtime's optimised graph has no kernel for site {each.site.key!r}"
            )
        inside = anchors | _between(anchors, nodes, writer, readers)
        for i in inside | _conversions_after(inside, nodes, readers):
            owners.setdefault(nodes[i].name, each.site.key)
    return owners


def _stems(node: onnx.NodeProto) -> set[str]:
    """The names of the exported graph that an optimised node may still carry.

    Seen in 1.31: "<conv output>_nchwc", "<node>/QuickGeluFusion/", "<node>_token_27" and
    "<op>:<output>" (a node that the quantiser's preparation left nameless), or its output tensor.
    """
    name = node.name
    stems = {name, *node.output, name.removesuffix("_nchwc"), name.split(":", 1)[-1]}
    stems.add(name.split("_token_")[0])
    if name.endswith("Fusion/"):
        stems.add(name.rstrip("/").rsplit("/", 1)[0])
    return stems


def _between(
    anchors: set[int],
    nodes: list[onnx.NodeProto],
    writer: dict[str, int],
    readers: dict[str, list[int]],
) -> set[int]:
    """Nodes both downstream and upstream of anchors, found within a few steps."""
    down, up = set(anchors), set(anchors)
    for _ in range(6):  # the longest chain is GELU's, five nodes, with conversions among them
        down |= {r for i in down for out in nodes[i].output for r in readers[out]}
        up |= {writer[name] for i in up for name in nodes[i].input if name in writer}
    return down & up


def _conversions_after(
    inside: set[int], nodes: list[onnx.NodeProto], readers: dict[str, list[int]]
) -> set[int]:
    found: set[int] = set()
    waiting = list(inside)
    while waiting:
        for name in nodes[waiting.pop()].output:
            for i in readers[name]:
                if i not in found and nodes[i].op_type in _CONVERSIONS:
                    found.add(i)
                    waiting.append(i)
    return found - inside
