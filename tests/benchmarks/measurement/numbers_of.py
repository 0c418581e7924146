"""The numbers that measurements must reach, from the rows; None until all rows are there."""

from __future__ import annotations

import numpy as np

from devices import statistics
from tests.benchmarks.measurement import trials
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows


def numbers(rows: Rows) -> list[Number]:
    """Every number of the page, in its order."""
    idle = trials.comparisons(rows, "aa_idle")
    floor = None
    if len(idle) == trials.AA:
        floor = statistics.noise_floor([one["ratio"] for one in idle[-50:]])
    return [
        *_same(rows, "aa_idle"),
        *_same(rows, "aa_loaded"),
        _order_bias(rows),
        *(_effect(rows, size, floor) for size in trials.NODES if size != "1pct"),
        _spread(rows),
        _container(rows, floor),
    ]


def _same(rows: Rows, kind: str) -> list[Number]:
    found = trials.comparisons(rows, kind)
    whole = len(found) == trials.AA
    ratios = [one["ratio"] for one in found]
    excluding = called = None
    note = f"{len(found)} of {trials.AA} comparisons"
    if whole:
        floors = trials.floors(ratios)
        wrong = [trials.excludes_1(one) for one in found]
        excluding = sum(wrong)
        called = sum(
            w and abs(ratio - 1) > floor
            for w, ratio, floor in zip(wrong, ratios, floors, strict=True)
        )
        note += f"; noise floor {statistics.noise_floor(ratios[-50:]):.4f}"
    return [
        Number(f"{kind}_excluding_1", "of 200", ("<=", 18), excluding, note=note),
        Number(f"{kind}_called_different", "of 200", ("<=", 10), called),
    ]


def _order_bias(rows: Rows) -> Number:
    ratios = [one["ratio"] for one in trials.comparisons(rows, "aa_idle")]
    if len(ratios) < trials.AA:
        return Number("order_bias", "ratio", ("<=", 0.001))
    mean = float(np.mean(ratios))
    half = 1.96 * float(np.std(ratios, ddof=1)) / len(ratios) ** 0.5
    interval = (mean - 1 - half, mean - 1 + half)
    return Number("order_bias", "ratio", ("<=", 0.001), abs(mean - 1), interval, f"mean {mean:.5f}")


def _effect(rows: Rows, size: str, floor: float | None) -> Number:
    found = trials.comparisons(rows, "effect", size)
    truth = rows.find("effect_truth", trials.inputs("effect_truth", size))
    note = f"{len(found)} of {trials.TRIALS} trials"
    if truth is not None:
        low, high = truth["values"]["interval"]
        note += f"; true ratio {truth['values']['ratio']:.4f} ({low:.4f} to {high:.4f})"
    detected = None
    if len(found) == trials.TRIALS and truth is not None and floor is not None:
        detected = sum(trials.excludes_1(one) and one["ratio"] - 1 > floor for one in found)
    return Number(f"effect_{size}", "of 60", (">=", 54), detected, note=note)


def _spread(rows: Rows) -> Number:
    row = rows.find("spread", trials.inputs("spread"))
    if row is None:
        return Number("spread_vs_plain", "times", (">=", 2.0))
    note = f"{row['values']['seconds_each']} s each, {trials.REPEATS} repeats"
    return Number("spread_vs_plain", "times", (">=", 2.0), trials.spread_ratio(row), note=note)


def _container(rows: Rows, floor: float | None) -> Number:
    row = rows.find("container", trials.inputs("container"))
    away = None
    if row is not None and floor is not None:
        values = row["values"]
        away = max(abs(ratio / values["local"] - 1) for ratio in values["container"])
    note = "the largest distance of a container's ratio from the local one; the target is the floor"
    bound = 0.0 if floor is None else floor  # without a floor nothing is within it
    return Number("container_vs_local", "ratio", ("<=", bound), away, note=note)
