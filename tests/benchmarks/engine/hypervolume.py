"""Ways to choose five mixes, side by side: the same gradient steps, the same latency levels.

Every way gives one pick a level. All picks start from the same adapted weights and train alone; a
way that trains a supernet pays for it out of its picks' steps. Each pick is converted, costed and
scored as the published file is. What counts is the area of (latency ratio, loss) that a way's picks
dominate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from devices import runtimes, targets
from devices.assignment import Assignment
from devices.protocol import Settings
from engine import costs, evaluation
from engine.costs import CostTable, arms
from engine.costs.table import Matrix
from engine.data_info import describe
from engine.estimators import ScoreCache
from engine.estimators.base import Inputs
from engine.estimators.supernet_map import SupernetMap
from engine.hypervolume import area
from engine.loading import load
from engine.solvers import Problem, Solution, greedy, milp, nsga2
from engine.stages.accuracy import nwot_penalty, supernet_penalty
from engine.training import TrainingSettings, TrainingSpec
from engine.training.run import ESTIMATES, EXPORTED, load_weights
from tests.benchmarks.engine.testbed import MIN_BOXES, SIZE, Bed
from tests.benchmarks.numbers import Number

TARGET = "npu-ethos-u55-128-int8"
ACTIVATIONS = ("silu", "relu", "leaky_relu", "hardswish")
TRAIN, SCORED = 300, 500  # images
PICKS = 5
ADAPT = 8  # epochs, shared by all
SUPERNET = 5
ARM = 6  # epochs of a pick; where no supernet was trained each gets a share of its epochs, too
RICHER = ARM + SUPERNET // PICKS
SEEDS = (0,)
SAME = 1e-3  # of a ratio: how far below its level a random mix may not lie
NEAR = 0.04
SETTINGS = Settings(max_seconds=60.0, half_width=0.004, max_blocks=60, seed=3)
WAYS = ("supernet", "paper", "greedy", "nsga2", "random", "uniform")
APART = 3  # sites in which two of `paper`'s picks differ at least (Hamming cuts)
EVALUATED = 96  # mixes that NSGA-II may score
# How a way chooses, where that was once done otherwise.
RULES = {
    "paper": f"most NWOT at the level, {APART} sites from its other picks",
    "nsga2": f"front of latency and supernet mAP alone, {EVALUATED} evaluations",
}
_CHOSEN_BY_SUPERNET = ("supernet", "greedy", "nsga2")


def run(bed: Bed) -> None:
    """Adds the rows that are missing: a training, a conversion and a scoring a pick."""
    for seed in SEEDS:
        chosen = _Choice(bed, seed)
        for way in WAYS:
            for level in range(PICKS):
                _pick(bed, way, level, seed, chosen)
        _pick(bed, "reference", 0, seed, chosen)


def _inputs(bed: Bed, way: str, level: int, seed: int) -> dict[str, Any]:
    return {
        "way": way,
        "level": level,
        "target": TARGET,
        "model": bed.model.sha256,
        "data": describe(bed.data_set(TRAIN)).sha256,
        "epochs": {"adapt": ADAPT, "supernet": SUPERNET, "arm": ARM, "richer": RICHER},
        "activations": list(ACTIVATIONS),
        "images": SCORED,
        "seed": seed,
        **({"rule": RULES[way]} if way in RULES else {}),
    }


def _settings(seed: int) -> TrainingSettings:
    return TrainingSettings(
        imgsz=SIZE,
        activations=ACTIVATIONS,
        adapt_epochs=ADAPT,
        supernet_epochs=SUPERNET,
        arm_epochs=ARM,
        seed=seed,
    )


def _spec(bed: Bed, seed: int) -> TrainingSpec:
    return TrainingSpec(
        phase="adapt",
        model=str(bed.model.path),
        model_sha256=bed.model.sha256,
        data=str(bed.data(TRAIN)),
        data_sha256=describe(bed.data_set(TRAIN)).sha256,
        settings=_settings(seed),
    )


def _training(bed: Bed, way: str, mix: Assignment, seed: int) -> TrainingSpec:
    spec = _spec(bed, seed)
    if way == "reference":
        return replace(spec, phase="arm")
    epochs = ARM if way in _CHOSEN_BY_SUPERNET else RICHER
    settings = replace(spec.settings, arm_epochs=epochs)
    return replace(spec, phase="arm", assignment=mix, settings=settings)


class _Choice:
    """The picks of every way. What several ways need is made once, and only when asked for."""

    def __init__(self, bed: Bed, seed: int) -> None:
        self._bed, self._seed = bed, seed
        self._tables: dict[str, CostTable] = {}
        self._penalties: dict[str, Matrix] = {}
        self._front: list[nsga2.Point] = []

    def mix(self, way: str, level: int) -> Assignment | None:
        """The pick of a way at a level; None where the way has fewer."""
        if way == "reference":
            return self._bed.original
        if way == "uniform":
            names = ACTIVATIONS[1:]
            sites = self._bed.original.sites
            return Assignment.uniform(sites, names[level]) if level < len(names) else None
        kind = "paper" if way == "paper" else "supernet"
        table = self._table("one_at_a_time" if way == "paper" else "uniform_profile")
        problem = Problem(table, self._penalty(kind, table), max_latency_ratio=self.level(level))
        if way == "random":
            return self._random(problem, level)
        if way == "supernet":
            return self._best(milp.k_best(problem, 3, min_distance=APART))
        if way == "paper":
            return self._unlike(problem, [self.mix(way, before) for before in range(level)])
        if way == "nsga2":
            return self._fittest(replace(problem, max_latency_ratio=None), self.level(level))
        return greedy.solve(problem, seed=self._seed).assignment

    def level(self, number: int) -> float:
        """Latency ratios from near the fastest mix to near the original, evenly."""
        table = self._table("uniform_profile")
        fastest = milp.fastest(Problem(table, np.zeros_like(table.ms))).latency_ratio
        return fastest + (1 - fastest) * (number + 0.5) / PICKS

    def _table(self, way: str) -> CostTable:
        if way not in self._tables:
            setup = costs.Setup(
                measure=self._bed.measure,
                target=TARGET,
                base=self._bed.base,
                original=self._bed.original,
                activations=ACTIVATIONS,
                calibration=self._bed.calibration,
                settings=SETTINGS,
            )
            self._tables[way] = costs.get(way)(setup)
        return self._tables[way]

    def _penalty(self, kind: str, table: CostTable) -> Matrix:
        if kind not in self._penalties:
            make = self._nwot if kind == "paper" else self._supernet
            self._penalties[kind] = make(table)
        return self._penalties[kind]

    def _nwot(self, table: CostTable) -> Matrix:
        """Minus the NWOT gain of every one-swap model, under the adapted weights."""
        bed = self._bed
        model = load(bed.model.path, imgsz=SIZE)
        assert model.net is not None
        load_weights(model.net, bed.services.train(_spec(bed, self._seed)))
        return nwot_penalty(
            model.net,
            table,
            Inputs(images=bed.data_set(TRAIN).arrays("train", SIZE, limit=128).images),
            seed=self._seed,
            cache=ScoreCache(bed.work / "scores"),
        )

    def _supernet(self, table: CostTable) -> Matrix:
        bed = self._bed
        folder = bed.services.train(replace(_spec(bed, self._seed), phase="estimate"))
        found = json.loads((folder / ESTIMATES).read_text())
        return supernet_penalty(found, table)

    def _unlike(self, problem: Problem, taken: Sequence[Assignment | None]) -> Assignment:
        """The best that is not one of the picks at tighter levels, or next to one."""
        found = [s.assignment for s in milp.k_best(problem, PICKS, min_distance=APART)]
        fresh = (
            mix
            for mix in found
            if all(one is None or _unlike_sites(mix, one) >= APART for one in taken)
        )
        return next(fresh, found[0])

    def _fittest(self, problem: Problem, limit: float) -> Assignment:
        """The most mAP of NSGA-II's front up to the latency ratio ``limit``."""
        if not self._front:
            self._front = nsga2.front(
                problem,
                [
                    lambda mixes: [problem.table.predict_ratio(mix) for mix in mixes],
                    lambda mixes: [-score for score in self._scores(mixes)],
                ],
                seed=self._seed,
                evaluations=EVALUATED,
                population=EVALUATED // 6,
                alone=True,
            )
        within = [point for point in self._front if point.values[0] <= limit]
        return min(within, key=lambda point: point.values[1]).solution.assignment

    def _best(self, solutions: list[Solution]) -> Assignment:
        """The one with the highest val mAP under the supernet's weights."""
        mixes = [solution.assignment for solution in solutions]
        return mixes[int(np.argmax(self._scores(mixes)))]

    def _scores(self, mixes: Sequence[Assignment]) -> Sequence[float]:
        """Their val mAPs under the supernet's weights, BatchNorm recomputed for each."""
        bed = self._bed
        model = load(bed.model.path, imgsz=SIZE)
        assert model.net is not None
        load_weights(
            model.net, bed.services.train(replace(_spec(bed, self._seed), phase="supernet"))
        )
        data = bed.data_set(TRAIN)
        given = Inputs(
            images=data.arrays("train", SIZE, limit=128).images,
            split=data.arrays("val", SIZE),
            names=model.names,
            trained=ACTIVATIONS,
        )
        return SupernetMap().score(
            model.net, mixes, given, seed=self._seed, cache=ScoreCache(bed.work / "scores")
        )

    def _random(self, problem: Problem, level: int) -> Assignment:
        """The first random mix just below the level, so that it is compared like with like."""
        rng = np.random.default_rng([self._seed, level])
        limit = self.level(level)
        while True:
            drawn = problem.draw(rng, 256)
            ratios = problem.latency.rows(drawn)[:, 0]
            fitting = np.nonzero((ratios <= limit - SAME) & (ratios >= limit - NEAR))[0]
            if fitting.size:
                return problem.assignment(drawn[fitting[0]])


def _unlike_sites(one: Assignment, other: Assignment) -> int:
    return sum(one[site] != other[site] for site in one.sites)


def _pick(bed: Bed, way: str, level: int, seed: int, chosen: _Choice) -> None:
    def make() -> dict[str, Any]:
        mix = chosen.mix(way, level)
        if mix is None:
            return {"mix": None}
        spec = _training(bed, way, mix, seed)
        folder = bed.services.train(spec)
        return {"mix": mix.to_json(), "training": spec.hash, **_figures(bed, folder, mix)}

    bed.rows.add("hypervolume", _inputs(bed, way, level, seed), make)


def _figures(bed: Bed, folder: Any, mix: Assignment) -> dict[str, Any]:
    """Latency ratio of the mix, and mAP of the trained file in the target's own format."""
    target = targets.get(TARGET)
    runtime = runtimes.get(target)
    calibration = np.load(bed.calibration.path)["images"]
    out = folder / f"model.{TARGET}{runtime.suffix}"
    runtime.convert(folder / EXPORTED, target=target, out=out, calibration=calibration)
    result = bed.measure(
        arms.job(
            id=f"hypervolume-{mix.hash}",
            target=TARGET,
            base=bed.base,
            arms={arms.BASELINE: bed.original, "pick": mix},
            calibration=bed.calibration,
            settings=SETTINGS,
            profile=False,
        )
    )
    sessions = [runtime.open(out, threads=1) for _ in range(2)]
    try:
        found = evaluation.evaluate(
            sessions[0].run,
            bed.data_set(TRAIN).arrays("test", SIZE, limit=SCORED),
            also=[session.run for session in sessions[1:]],
            names=bed.model.names,
            min_boxes=MIN_BOXES,
        )
    finally:
        for session in sessions:
            session.close()
    return {
        "latency_ratio": arms.find(result, "pick").ratio,
        "map50_95": found.map50_95,
        "map50": found.map50,
        "memory": {
            name: arm.memory.model_dump(mode="json")
            for name in (arms.BASELINE, "pick")
            if (arm := arms.find(result, name)).memory is not None
        },
    }


def table(bed: Bed) -> pd.DataFrame | None:
    """A row a way and seed whose rows are all there: its area, and its picks; None without any."""
    rows = []
    for seed in SEEDS:
        reference = bed.rows.find("hypervolume", _inputs(bed, "reference", 0, seed))
        if reference is None:
            continue
        for way in WAYS:
            found = [
                bed.rows.find("hypervolume", _inputs(bed, way, level, seed))
                for level in range(PICKS)
            ]
            if any(row is None for row in found):
                continue
            picks = [row["values"] for row in found if row and row["values"]["mix"]]
            best = reference["values"]["map50_95"]
            points = [(pick["latency_ratio"], best - pick["map50_95"]) for pick in picks]
            said = ", ".join(f"{x:.3f} at {y:+.4f}" for x, y in sorted(points))
            rows.append({"way": way, "seed": seed, "area": area(points), "ratio at loss": said})
    return pd.DataFrame(rows) if rows else None


def numbers(bed: Bed) -> list[Number]:
    """hypervolume_vs_paper, and the same against every other way."""
    return [_against(bed, "paper", 1.1), *(_against(bed, way, 1.0) for way in WAYS[2:])]


def _against(bed: Bed, way: str, bound: float) -> Number:
    name = f"hypervolume_vs_{way}"
    found = table(bed)
    if found is None:
        return Number(name, "times", (">=", bound))
    areas = found.set_index(["way", "seed"])["area"]
    if not all((one, seed) in areas for one in ("supernet", way) for seed in SEEDS):
        return Number(name, "times", (">=", bound))
    shares = [_share(areas[("supernet", seed)], areas[(way, seed)]) for seed in SEEDS]
    note = f"{PICKS} picks a way on {TARGET} (modelled), {len(SEEDS)} seed(s)"
    interval = (min(shares), max(shares)) if len(shares) > 1 else None
    return Number(name, "times", (">=", bound), float(np.mean(shares)), interval, note)


def _share(ours: float, theirs: float) -> float:
    return ours / theirs if theirs > 0 else float("inf")
