"""The trials, each a row that is kept as soon as it is measured, with what the machine did then."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import t as student

from devices import HARNESS_VERSION, statistics
from devices.protocol import MeasureResult, Settings
from tests.benchmarks.measurement.bed import IMGSZ, LARGER, MODEL, TARGET, Bed, competing_load
from tests.benchmarks.rows import Rows

Values = dict[str, Any]

PAIRS, CONTAINERS, REPEATS, AA, TRUTHS, TRIALS = 4, 3, 20, 200, 10, 60
PAIRS_S, CONTAINER_S, AA_S, TRUTH_S, TRIAL_S = 30.0, 30.0, 8.0, 60.0, 25.0
LARGE_S = 10.0  # of a trial of LARGE, whose lease holds one size only
# More nodes; what they cost is measured: "truth". NODES were counted on another processor, where
# its 5pct was that; on this one LARGE is.
NODES = {"1pct": 2, "2pct": 4, "5pct": 10}
LARGE = {"5pct": 18}
# Each size by what it costs: the kind of its trials, of its truth, and what both call it.
SIZES = {
    "1pct": ("effect", "truth", "1pct"),
    "2pct": ("effect", "truth", "2pct"),
    "3pct": ("effect", "truth", "5pct"),
    "5pct": ("effect_large", "truth_large", "5pct"),
}
KINDS = (
    *("pairs", "container", "local", "spread", "aa_idle", "truth", "effect"),
    *("truth_large", "effect_large", "aa_loaded"),
)
PLAIN_RUNS = 100
SPREAD_S = 10.0  # a loop and a lease at the larger size, about
STARTING_S = 5.0  # of a device's process, and of the competing load
IMAGE_PREFIX = os.environ.get("ACTNAS_IMAGES", "actnas")


@dataclass(frozen=True)
class Trial:
    """One row to measure: what decides it, how, and the most seconds that it takes."""

    kind: str
    inputs: Values
    make: Callable[[], Values]
    seconds: float


def trials(bed: Bed, larger: Bed) -> Iterator[Trial]:
    """Every trial, in an order in which any prefix says as much as its time allows.

    What is known after minutes comes first; then a share of each long part, then their rest.
    ``larger`` is the detector at LARGER pixels, on which a plain loop takes seconds.
    """
    for n in range(PAIRS):
        yield _trial("pairs", (n,), partial(_pairs, bed, n), PAIRS_S)
    for n in range(CONTAINERS):
        yield _trial("container", (n,), partial(_in_container, bed, n), CONTAINER_S)
    yield _trial("local", (0,), partial(_compared, bed, NODES["5pct"], _final(0)), CONTAINER_S)
    for each, imgsz in ((larger, LARGER), (bed, IMGSZ)):
        for n in range(REPEATS):
            yield _trial("spread", (n,), partial(_spread, each, n), SPREAD_S, imgsz)
    for aa, effects in (
        (range(50), range(20)),
        (range(50, AA), range(20, TRIALS)),
    ):
        yield from _same(bed, "aa_idle", aa)
        yield from _effects(bed, "effect", "truth", effects, TRIAL_S)
        yield from _effects(bed, "effect_large", "truth_large", effects, LARGE_S)
        yield from _same(bed, "aa_loaded", aa)


def inputs(kind: str, *which: object, imgsz: int = IMGSZ) -> Values:
    """What decides a row."""
    return {
        "kind": kind,
        "which": list(which),
        "model": MODEL,
        "imgsz": imgsz,
        "target": TARGET,
        "nodes": nodes_of(kind),
        "harness": HARNESS_VERSION,
        "seconds": [TRUTH_S, LARGE_S]
        if kind.endswith("_large")
        else [PAIRS_S, CONTAINER_S, AA_S, TRUTH_S, TRIAL_S],
    }


def nodes_of(kind: str) -> dict[str, int]:
    """How many nodes each size of a kind of trial has more."""
    return LARGE if kind.endswith("_large") else NODES


def done(rows: Rows, kind: str, imgsz: int = IMGSZ) -> list[Values]:
    """The values of all trials of a kind that were made, in order."""
    most = {"pairs": PAIRS, "container": CONTAINERS, "local": 1, "spread": REPEATS}
    most |= {"aa_idle": AA, "aa_loaded": AA, "truth": TRUTHS, "effect": TRIALS}
    most |= {"truth_large": TRUTHS, "effect_large": TRIALS}
    found = (rows.find(kind, inputs(kind, n, imgsz=imgsz)) for n in range(most[kind]))
    return [row["values"] for row in found if row is not None]


def _trial(
    kind: str,
    which: tuple[object, ...],
    make: Callable[[], Values],
    seconds: float,
    imgsz: int = IMGSZ,
) -> Trial:
    return Trial(kind, inputs(kind, *which, imgsz=imgsz), make, seconds + STARTING_S)


def _same(bed: Bed, kind: str, numbers: range) -> Iterator[Trial]:
    """Comparisons of the model with itself, idle or under load."""
    for n in numbers:
        yield _trial(kind, (n,), partial(_against_itself, bed, n, kind == "aa_loaded"), AA_S)


def _effects(bed: Bed, effect: str, truth: str, numbers: range, seconds: float) -> Iterator[Trial]:
    """First what the added nodes really cost, then trials that must find it; a lease holds every
    size of its kind, as that of a search holds every candidate."""
    nodes = nodes_of(effect)
    if numbers.start == 0:
        for n in range(TRUTHS):
            settings = _to_the_end(_settings(5000 + n, TRUTH_S))
            yield _trial(truth, (n,), partial(_sizes, bed, nodes, settings), TRUTH_S)
    for n in numbers:
        settings = _settings(1000 + n, seconds)
        yield _trial(effect, (n,), partial(_sizes, bed, nodes, settings), seconds)


def _settings(seed: int, seconds: float) -> Settings:
    """As a health check has them, with more room for blocks."""
    return Settings(seed=seed, max_seconds=seconds, half_width=0.002, max_blocks=200)


def _to_the_end(settings: Settings) -> Settings:
    """Without an end but time."""
    return settings.model_copy(update={"half_width": 1e-6, "max_blocks": 5000})


def _final(number: int) -> Settings:
    return _to_the_end(_settings(3000 + number, CONTAINER_S))


def _compared(bed: Bed, nodes: int, settings: Settings) -> Values:
    """One lease: the plain detector against itself, or against one with more nodes."""
    load, began = os.getloadavg()[0], time.monotonic()
    return {**_figures(bed.measure({"other": nodes}, settings)), **_at(load, began)}


def _sizes(bed: Bed, nodes: dict[str, int], settings: Settings) -> Values:
    """One lease: the plain detector against one of each size."""
    load, began = os.getloadavg()[0], time.monotonic()
    result = bed.measure(nodes, settings)
    return {"sizes": {size: _figures(result, size) for size in nodes}, **_at(load, began)}


def _figures(result: MeasureResult, name: str = "other") -> Values:
    arm = result.arm(name)
    return {
        "ratio": arm.ratio,
        "interval": [arm.ratio_interval.low, arm.ratio_interval.high],
        "blocks": len(arm.samples_ms),
    }


def _at(load: float, began: float) -> Values:
    """Beside each figure: how busy the machine was before it, and how long it took."""
    return {
        "load_1min_before": round(load, 2),
        "seconds": round(time.monotonic() - began, 1),
    }


def _against_itself(bed: Bed, number: int, loaded: bool) -> Values:
    with competing_load() if loaded else nullcontext():
        if loaded:
            time.sleep(2.0)
        return _compared(bed, 0, _settings(number, AA_S))


def _pairs(bed: Bed, number: int) -> Values:
    """The ratio of each block of one lease: two fresh sessions of one model, opened in random
    order."""
    load, began = os.getloadavg()[0], time.monotonic()
    settings = _to_the_end(_settings(4000 + number, PAIRS_S))
    result = bed.measure({"other": 0}, settings)
    blocks = zip(result.arm("plain").samples_ms, result.arm("other").samples_ms, strict=True)
    ratios = [float(np.median(np.divide(other, plain))) for plain, other in blocks]
    return {"pairs": ratios, **_at(load, began)}


def _spread(bed: Bed, number: int) -> Values:
    """The ratio of the detector with more nodes by a plain loop, and by a lease that takes as
    long."""
    load, began = os.getloadavg()[0], time.monotonic()
    plain = _mean_ms(bed, NODES["5pct"]) / _mean_ms(bed, 0)
    taken = time.monotonic() - began
    settings = _to_the_end(_settings(2000 + number, taken))
    paired = bed.measure({"other": NODES["5pct"]}, settings).arm("other").ratio
    return {"plain": plain, "paired": paired, "each_s": round(taken, 2), **_at(load, began)}


def _mean_ms(bed: Bed, nodes: int) -> float:
    """What most people do: open a session, run it a hundred times, take the mean."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        bed.file(nodes).path, options, providers=["CPUExecutionProvider"]
    )
    first = session.get_inputs()[0]
    feeds = {first.name: np.zeros(first.shape, dtype=np.float32)}
    began = time.perf_counter()
    for _ in range(PLAIN_RUNS):
        session.run(None, feeds)
    return 1000 * (time.perf_counter() - began) / PLAIN_RUNS


def _in_container(bed: Bed, number: int) -> Values:
    """The ratio of the detector with more nodes in a fresh container."""
    from devices.transports import docker
    from devices.transports.containers import Setup

    load, began = os.getloadavg()[0], time.monotonic()
    job = bed.job({"other": NODES["5pct"]}, _final(number))
    result = docker.run(job, setup=Setup(images=IMAGE_PREFIX), timeout_s=600.0)
    return {**_figures(result), **_at(load, began)}


def floors(ratios: list[float]) -> list[float]:
    """The noise floor for each comparison: from the 50 before it; the first ones from the last."""
    around = ratios[-50:] + ratios
    return [statistics.noise_floor(around[i : i + 50]) for i in range(len(ratios))]


def excludes_1(one: Values) -> bool:
    """Whether the interval says that there is a difference."""
    low, high = one["interval"]
    return bool(low > 1 or high < 1)


def mean_log(ratios: list[float]) -> tuple[float, float]:
    """The geometric mean of ratios, and half of its 95 % interval as a share."""
    logs = np.log(ratios)
    half = student.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1) / math.sqrt(len(logs))
    return float(np.exp(np.mean(logs))), float(half)
