"""Which estimator ranks mixes as training them does.

Truth: each mix trained alone for two epochs on 300 images from the same adapted weights, then
scored on test with its own BatchNorm statistics, for two seeds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from devices.assignment import Assignment
from engine import estimators
from engine.data_info import describe
from engine.estimators import ScoreCache
from engine.estimators.bakeoff import Truth, compare
from engine.estimators.base import Inputs
from engine.evaluation import evaluate_net
from engine.loading import load
from engine.swap import swapped
from engine.training import TrainingSettings, TrainingSpec
from engine.training.run import load_weights
from engine.training.spec import Phase
from tests.benchmarks.engine.testbed import MIN_BOXES, SIZE, Bed
from tests.benchmarks.numbers import Number

CANDIDATES = ("silu", "relu", "leaky_relu", "hardswish")
STRANGE = ("mish", "tanh", "elu")
MIXES = 24
SEEDS = (0, 1)
TRAIN, SCORED = 300, 500  # images
SETTINGS = TrainingSettings(
    imgsz=SIZE,
    activations=(*CANDIDATES, *STRANGE),
    adapt_epochs=8,
    supernet_epochs=5,
    arm_epochs=2,
)


def run(bed: Bed) -> None:
    """Adds the rows that are missing: a training each, and the estimators' scores."""
    for mix in mixes(bed.original):
        for seed in SEEDS:
            _truth(bed, mix, seed)
    _scores(bed)


def mixes(original: Assignment) -> list[Assignment]:
    """MIXES different ones over the whole range: uniform, depth-ordered, random, and strange."""
    sites = original.sites
    found = dict.fromkeys(Assignment.uniform(sites, name) for name in (*CANDIDATES, *STRANGE))
    for name in ("relu", "hardswish"):  # the first or the last third or two thirds
        for share in (1, 2):
            cut = len(sites) * share // 3
            found[original.replace(dict.fromkeys(sites[:cut], name))] = None
            found[original.replace(dict.fromkeys(sites[-cut:], name))] = None
    rng = random.Random(0)
    while len(found) < MIXES:
        names = rng.sample((*CANDIDATES, *STRANGE), 3)
        found[Assignment(tuple((site, rng.choice(names)) for site in sites))] = None
    return list(found)


def _spec(bed: Bed, seed: int) -> TrainingSpec:
    settings = replace(SETTINGS, seed=seed)
    return TrainingSpec(
        phase="adapt",
        model=str(bed.model.path),
        model_sha256=bed.model.sha256,
        data=str(bed.data(TRAIN)),
        data_sha256=describe(bed.data_set(TRAIN)).sha256,
        settings=settings,
    )


def _inputs(bed: Bed, mix: Assignment, seed: int) -> dict[str, Any]:
    return {"spec": _alone(bed, mix, seed).hash, "mix": mix.to_json(), "images": SCORED}


def _alone(bed: Bed, mix: Assignment, seed: int) -> TrainingSpec:
    spec = _spec(bed, seed)
    return replace(spec, phase="arm", assignment=mix)


def _truth(bed: Bed, mix: Assignment, seed: int) -> None:
    def make() -> dict[str, Any]:
        folder = bed.services.train(_alone(bed, mix, seed))
        model = load(bed.model.path, imgsz=SIZE)
        assert model.net is not None
        net = swapped(model.net, mix)
        load_weights(net, folder)
        test = bed.data_set(TRAIN).arrays("test", SIZE, limit=SCORED)
        found = evaluate_net(net, test, names=model.names, min_boxes=MIN_BOXES)
        return {"seed": seed, "map50_95": found.map50_95, "map50": found.map50}

    bed.rows.add("bakeoff-truth", _inputs(bed, mix, seed), make)


def _scores(bed: Bed) -> None:
    wanted = mixes(bed.original)
    for name, kind in estimators.ESTIMATORS.items():
        inputs = {
            "estimator": name,
            "version": kind.version,
            "mixes": [mix.hash for mix in wanted],
            "spec": replace(_spec(bed, 0), phase="supernet").hash,
        }

        def make(name: str = name) -> dict[str, Any]:
            kind = estimators.get(name)
            phase: Phase = "supernet" if "supernet" in kind.needs else "adapt"
            folder = bed.services.train(replace(_spec(bed, 0), phase=phase))
            model = load(bed.model.path, imgsz=SIZE)
            assert model.net is not None
            load_weights(model.net, folder)
            data = bed.data_set(TRAIN)
            given = Inputs(
                images=data.arrays("train", SIZE, limit=128).images,
                split=data.arrays("val", SIZE),
                names=model.names,
                trained=SETTINGS.activations if phase == "supernet" else (),
            )
            cache = ScoreCache(bed.work / "scores")
            return {"scores": kind().score(model.net, wanted, given, seed=0, cache=cache)}

        bed.rows.add("bakeoff-scores", inputs, make)


def table(bed: Bed) -> pd.DataFrame | None:
    """All estimators against the truth, best first; None while rows are missing."""
    truth = [Truth(mix, tuple(_maps(bed, mix))) for mix in mixes(bed.original)]
    if any(len(row.map50_95) < len(SEEDS) for row in truth):
        return None
    rows = bed.rows.of("bakeoff-scores")
    scores = {row["inputs"]["estimator"]: row["values"]["scores"] for row in rows}
    return compare(truth, scores) if set(scores) == set(estimators.ESTIMATORS) else None


def _maps(bed: Bed, mix: Assignment) -> Iterator[float]:
    for seed in SEEDS:
        row = bed.rows.find("bakeoff-truth", _inputs(bed, mix, seed))
        if row is not None:
            yield row["values"]["map50_95"]


def numbers(bed: Bed) -> list[Number]:
    """bakeoff_supernet and bakeoff_margin, from the rows."""
    found = table(bed)
    if found is None:
        return [
            Number("bakeoff_supernet", "share of the ceiling", (">=", 0.8)),
            Number("bakeoff_margin", "difference of Spearman's", (">=", 0.0)),
        ]
    row = found.set_index("estimator").loc["supernet_map"]
    ceiling = float(row["ceiling"])
    return [
        Number(
            "bakeoff_supernet",
            "share of the ceiling",
            (">=", 0.8),
            float(row["share_of_ceiling"]),
            (float(row["spearman_low"]) / ceiling, float(row["spearman_high"]) / ceiling),
            f"Spearman {row['spearman']:.3f}, ceiling {ceiling:.3f}",
        ),
        Number(
            "bakeoff_margin",
            "lower end of supernet's Spearman minus NWOT's",
            (">=", 0.0),
            float(row["margin_low"]),
            (float(row["margin_low"]), float(row["margin_high"])),
            f"margin {row['margin']:.3f}",
        ),
    ]
