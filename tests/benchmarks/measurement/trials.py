"""The rows: comparisons in batches, each with the load average of the machine beside it."""

from __future__ import annotations

import os
import statistics as stats
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from devices import statistics
from devices.protocol import Settings
from tests.benchmarks.measurement.bed import IMGSZ, MODEL, TARGET, Bed, competing_load
from tests.benchmarks.rows import Rows

BATCH = 10
AA, TRIALS, REPEATS, CONTAINERS = 200, 60, 20, 3
AA_S, TRIAL_S, TRUTH_S = 8.0, 25.0, 600.0
NODES = {"1pct": 2, "2pct": 4, "5pct": 10}  # more nodes; what they cost is a row of its own
PLAIN_RUNS = 100
IMAGE_PREFIX = os.environ.get("ACTNAS_IMAGES", "actnas")

Step = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]


def steps(bed: Bed) -> list[Step]:
    """(kind, inputs, how to make it) of every row, in an order in which any prefix is of use."""
    found: list[Step] = []
    for batch in range(AA // BATCH):
        for kind, loaded in (("aa_idle", False), ("aa_loaded", True)):
            found.append(
                (
                    kind,
                    inputs(kind, batch),
                    partial(_same, bed, batch, loaded=loaded),
                )
            )
    for size in NODES:
        found.append(("effect_truth", inputs("effect_truth", size), partial(_truth, bed, size)))
        found += [
            (
                "effect",
                inputs("effect", size, batch),
                partial(_effects, bed, size, batch),
            )
            for batch in range(TRIALS // BATCH)
        ]
    found.append(("spread", inputs("spread"), partial(_spread, bed)))
    found.append(("container", inputs("container"), partial(_containers, bed)))
    return found


def inputs(kind: str, *which: object) -> dict[str, Any]:
    """What decides a row."""
    return {
        "kind": kind,
        "which": list(which),
        "model": MODEL,
        "imgsz": IMGSZ,
        "target": TARGET,
        "batch": BATCH,
        "nodes": NODES,
        "seconds": {"aa": AA_S, "trial": TRIAL_S, "truth": TRUTH_S},
    }


def missing(rows: Rows, bed: Bed) -> list[Step]:
    """The steps whose row is not there."""
    return [step for step in steps(bed) if rows.find(step[0], step[1]) is None]


def _settings(seed: int, seconds: float) -> Settings:
    return Settings(seed=seed, max_seconds=seconds, half_width=0.002, max_blocks=200)


def _compared(bed: Bed, nodes: int, settings: Settings) -> dict[str, Any]:
    """One lease: the plain detector against itself, or against one with more nodes."""
    load, began = os.getloadavg()[0], time.monotonic()
    arm = bed.measure({"other": nodes}, settings).arm("other")
    return {
        "ratio": arm.ratio,
        "interval": [arm.ratio_interval.low, arm.ratio_interval.high],
        "blocks": len(arm.samples_ms),
        "load_1min_before": round(load, 2),
        "seconds": round(time.monotonic() - began, 1),
    }


def _same(bed: Bed, batch: int, *, loaded: bool) -> dict[str, Any]:
    with competing_load() if loaded else nullcontext():
        if loaded:
            time.sleep(2.0)
        seeds = range(batch * BATCH, (batch + 1) * BATCH)
        return {"comparisons": [_compared(bed, 0, _settings(seed, AA_S)) for seed in seeds]}


def _truth(bed: Bed, size: str) -> dict[str, Any]:
    settings = _settings(1, TRUTH_S).model_copy(update={"half_width": 0.0001, "max_blocks": 5000})
    return _compared(bed, NODES[size], settings)


def _effects(bed: Bed, size: str, batch: int) -> dict[str, Any]:
    seeds = range(1000 + batch * BATCH, 1000 + (batch + 1) * BATCH)
    return {
        "comparisons": [_compared(bed, NODES[size], _settings(s, TRIAL_S)) for s in seeds],
    }


def _spread(bed: Bed) -> dict[str, Any]:
    """REPEATS ratios of the detector with more nodes, by a plain loop and by a lease as long."""
    plain, paired, load = [], [], os.getloadavg()[0]
    for repeat in range(REPEATS):
        began = time.monotonic()
        plain.append(_mean_ms(bed, NODES["5pct"]) / _mean_ms(bed, 0))
        taken = time.monotonic() - began
        settings = _settings(2000 + repeat, taken).model_copy(update={"half_width": 1e-6})
        paired.append(bed.measure({"other": NODES["5pct"]}, settings).arm("other").ratio)
    return {
        "plain": plain,
        "paired": paired,
        "seconds_each": round(taken, 2),
        "load_1min_before": round(load, 2),
    }


def _mean_ms(bed: Bed, nodes: int) -> float:
    """What most people do: open a session, run it a hundred times, take the mean."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        bed.file(nodes).path, options, providers=["CPUExecutionProvider"]
    )
    image = np.zeros((1, 3, IMGSZ, IMGSZ), dtype=np.float32)
    name = session.get_inputs()[0].name
    began = time.perf_counter()
    for _ in range(PLAIN_RUNS):
        session.run(None, {name: image})
    return 1000 * (time.perf_counter() - began) / PLAIN_RUNS


def _containers(bed: Bed) -> dict[str, Any]:
    """The ratio of the detector with more nodes, in fresh containers and in a local process."""
    from devices.transports import docker
    from devices.transports.containers import Setup

    job = bed.job({"other": NODES["5pct"]}, _settings(3000, 60.0))
    load = os.getloadavg()[0]
    inside = [
        docker.run(job, setup=Setup(images=IMAGE_PREFIX), timeout_s=1800.0).arm("other").ratio
        for _ in range(CONTAINERS)
    ]
    outside = bed.measure({"other": NODES["5pct"]}, job.settings).arm("other").ratio
    return {"container": inside, "local": outside, "load_1min_before": round(load, 2)}


def comparisons(rows: Rows, kind: str, *which: object) -> list[dict[str, Any]]:
    """All comparisons of a kind that were made, in order."""
    batches = (AA if kind.startswith("aa") else TRIALS) // BATCH
    found: list[dict[str, Any]] = []
    for batch in range(batches):
        row = rows.find(kind, inputs(kind, *which, batch))
        found += row["values"]["comparisons"] if row else []
    return found


def floors(ratios: list[float]) -> list[float]:
    """The noise floor for each comparison: from the 50 before it; the first ones from the last."""
    around = ratios[-50:] + ratios
    return [statistics.noise_floor(around[i : i + 50]) for i in range(len(ratios))]


def excludes_1(one: dict[str, Any]) -> bool:
    """Whether the interval says that there is a difference."""
    low, high = one["interval"]
    return bool(low > 1 or high < 1)


def spread_ratio(row: dict[str, Any]) -> float:
    """How many times the plain loop's spread is that of the leases."""
    values = row["values"]
    return stats.stdev(values["plain"]) / stats.stdev(values["paired"])
