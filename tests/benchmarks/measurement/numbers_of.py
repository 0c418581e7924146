"""The numbers that measurements must reach, from the rows; None until all rows are there."""

from __future__ import annotations

import statistics as stats

from devices import statistics
from tests.benchmarks.measurement import trials
from tests.benchmarks.measurement.bed import IMGSZ, LARGER
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows


def numbers(rows: Rows) -> list[Number]:
    """Every number of the page, in its order. What is not whole yet has no value, and its note says
    how far it is."""
    floor = floor_of(rows)
    return [
        _order_bias(rows),
        _container(rows, floor),
        _spread(rows),
        *_same(rows, "aa_idle"),
        *(_effect(rows, size, floor) for size in ("2pct", "5pct")),
        *_same(rows, "aa_loaded"),
    ]


def floor_of(rows: Rows) -> float | None:
    """The noise floor of the machine by the site's own rule: from its latest 50 idle comparisons,
    none with fewer than 20."""
    return statistics.device_floor([one["ratio"] for one in trials.done(rows, "aa_idle")])


def truth(rows: Rows, size: str) -> tuple[float, float] | None:
    """What the added nodes really cost, as a ratio with half of its interval; None until whole."""
    _, kind, name = trials.SIZES[size]
    found = [one["sizes"][name]["ratio"] for one in trials.done(rows, kind)]
    return trials.mean_log(found) if len(found) == trials.TRUTHS else None


def _order_bias(rows: Rows) -> Number:
    found = trials.done(rows, "pairs")
    pairs = [ratio for one in found for ratio in one["pairs"]]
    note = f"{len(found)} of {trials.PAIRS} leases, {len(pairs)} pairs of fresh sessions"
    if len(pairs) < 2:
        return Number("order_bias", "ratio", ("<=", 0.001), note=note)
    mean, half = trials.mean_log(pairs)
    note += f"; mean {mean:.5f} +- {half:.5f}"
    if len(found) < trials.PAIRS:
        return Number("order_bias", "ratio", ("<=", 0.001), note=note)
    interval = (max(0.0, abs(mean - 1) - half), abs(mean - 1) + half)
    return Number("order_bias", "ratio", ("<=", 0.001), abs(mean - 1), interval, note)


def _container(rows: Rows, floor: float | None) -> Number:
    inside, local = trials.done(rows, "container"), trials.done(rows, "local")
    note = f"{len(inside)} of {trials.CONTAINERS} containers, {len(local)} of 1 local process"
    away = None
    if local and inside:
        away = max(abs(one["ratio"] / local[0]["ratio"] - 1) for one in inside)
        note += f"; the furthest container is {100 * away:.2f} % away"
    if floor is None:
        note += "; no noise floor yet, which is the target"
    whole = len(inside) == trials.CONTAINERS and floor is not None
    return Number(
        "container_vs_local", "ratio", ("<=", floor or 0.0), away if whole else None, note=note
    )


def _spread(rows: Rows) -> Number:
    """Of the larger images; what the small ones say is in the note."""
    times, note = spread(rows, LARGER)
    less, also = spread(rows, IMGSZ)
    if less is not None:
        note += f"; at {IMGSZ} px {less:.2f} times: {also}"
    return Number("spread_vs_plain", "times", (">=", 2.0), times, note=note)


def spread(rows: Rows, imgsz: int) -> tuple[float | None, str]:
    """How many times less leases spread than plain loops; None until every repeat is there."""
    found = trials.done(rows, "spread", imgsz)
    note = f"{len(found)} of {trials.REPEATS} repeats"
    if len(found) < 2:
        return None, note
    plain, paired = (stats.stdev(one[name] for one in found) for name in ("plain", "paired"))
    each = stats.median(one["each_s"] for one in found)
    note += f" of {each:.1f} s; spread {plain:.4f} by the loop, {paired:.4f} by leases"
    return plain / paired if len(found) == trials.REPEATS else None, note


def _same(rows: Rows, kind: str) -> list[Number]:
    found = trials.done(rows, kind)
    note = f"{len(found)} of {trials.AA} comparisons"
    excluding = called = None
    if found:
        ratios = [one["ratio"] for one in found]
        wrong = [trials.excludes_1(one) for one in found]
        pairs = zip(wrong, ratios, trials.floors(ratios), strict=True)
        called = sum(w and abs(ratio - 1) > floor for w, ratio, floor in pairs)
        excluding = sum(wrong)
        note += f"; noise floor {100 * statistics.noise_floor(ratios[-50:]):.2f} %"
        if len(found) < trials.AA:
            note += f"; so far {excluding} exclude 1, {called} called different"
            excluding = called = None
    return [
        Number(f"{kind}_excluding_1", "of 200", ("<=", 18), excluding, note=note),
        Number(f"{kind}_called_different", "of 200", ("<=", 10), called),
    ]


def detected(rows: Rows, size: str, floor: float | None) -> tuple[int | None, int]:
    """How many trials found the added nodes, None while there is no noise floor, and of how
    many."""
    kind, _, name = trials.SIZES[size]
    found = [one["sizes"][name] for one in trials.done(rows, kind)]
    if floor is None:
        return None, len(found)
    return sum(trials.excludes_1(one) and one["ratio"] - 1 > floor for one in found), len(found)


def _effect(rows: Rows, size: str, floor: float | None) -> Number:
    (seen, of), real = detected(rows, size, floor), truth(rows, size)
    note = f"{of} of {trials.TRIALS} trials"
    if real is not None:
        note += f"; true ratio {real[0]:.4f} +- {real[1]:.4f}"
    whole = of == trials.TRIALS and real is not None
    if of and seen is not None and not whole:
        note += f"; so far {seen} detected"
    return Number(f"effect_{size}", "of 60", (">=", 54), seen if whole else None, note=note)
