"""What the estimators say: a penalty of every (site, activation), and val mAP of whole mixes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from devices.assignment import Assignment
from engine.costs import CostTable
from engine.costs.table import Matrix
from engine.estimators import Estimator, Inputs, ScoreCache
from engine.estimators.batchnorm_map import BatchnormMap
from engine.estimators.nwot import Nwot
from engine.estimators.supernet_map import SupernetMap
from engine.stages import distortion
from engine.stages.context import Context
from engine.training.run import ESTIMATES, load_weights
from engine.training.spec import Phase

NWOT_IMAGES = 16
BATCHNORM_IMAGES = 64  # enough to rank mixes; the arms themselves get more


def penalty(context: Context, table: CostTable) -> dict[str, Any]:
    """The solver's penalty as an ``Estimate`` document (engine/result.py).

    Without data every swap counts 1: of two mixes that are equally fast the one with fewer
    changes is preferred, and nothing is said about accuracy. An ONNX upload with data is judged by
    its output distortion.

    Raises:
        Pending: the training that it needs is being made elsewhere.
    """
    if context.distorts:
        return distortion.penalty(context, table)
    if not context.trains:
        own = table.baseline_columns[:, None] == np.arange(len(table.activations))[None, :]
        return _document("swap_count", "swaps", table, np.where(own, 0.0, 1.0))
    if context.spec.recipe == "paper":
        return _nwot(context, table)
    (folder,) = context.train_all([context.training("estimate")])
    found = json.loads((folder / ESTIMATES).read_text())
    details = {key: found[key] for key in ("base_loss", "images", "seconds")}
    raw = [[float(x) for x in row] for row in found["penalty"]]
    return _document(
        "supernet_loss", "detection loss", table, supernet_penalty(found, table), raw=raw, **details
    )


def supernet_penalty(found: dict[str, Any], table: CostTable) -> Matrix:
    """What the phase ``estimate`` wrote as penalties in the order of ``table``, none of them free;
    NaN where it asked nothing."""
    matrix = np.full(table.ms.shape, np.nan)
    for row, site in enumerate(found["sites"]):
        for column, activation in enumerate(found["activations"]):
            matrix[table.rows[site], table.columns[activation]] = found["penalty"][row][column]
    return never_free(matrix, table)


def never_free(penalty: Matrix, table: CostTable) -> Matrix:
    """Penalties as a solver may believe them: no swap gains accuracy, and none is free.

    Estimates below zero are noise, and a solver collects them (the winner's curse): it then swaps
    nearly every site and loses what a uniform model loses. So what lies below zero counts as zero,
    and every swap costs the median size of all estimates on top.
    """
    swaps = np.ones(penalty.shape, dtype=bool)
    swaps[np.arange(len(table.sites)), table.baseline_columns] = False
    floor = float(np.nanmedian(np.abs(penalty[swaps])))
    believed = np.maximum(penalty, 0.0) + floor
    believed[~swaps] = 0.0
    return believed


def matrix(estimate: dict[str, Any]) -> Matrix:
    """The penalty of an estimate as an array, NaN where a pair may not be chosen."""
    rows = [[np.nan if x is None else x for x in row] for row in estimate["penalty"]]
    return np.array(rows, dtype=np.float64)


def val_estimator(recipe: str) -> Estimator:
    """What scores whole mixes on val: under the supernet's weights where there is a supernet."""
    kind = SupernetMap if recipe == "supernet" else BatchnormMap
    return kind(count=BATCHNORM_IMAGES)


class ValScorer:
    """mAP50-95 of whole mixes on the val split, without training them.

    Under the supernet's weights for `supernet`; under the adapted original's for `paper`, where it
    is shown and not used.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._estimator = val_estimator(context.spec.recipe)

    @cached_property
    def _net(self) -> torch.nn.Module:
        phase: Phase = "supernet" if self._context.spec.recipe == "supernet" else "adapt"
        (folder,) = self._context.train_all([self._context.training(phase)])
        net = self._context.model.net
        assert net is not None
        load_weights(net, folder)
        return net

    def score(
        self,
        assignments: Sequence[Assignment],
        *,
        stage: str,
        seen: Callable[[Sequence[float]], None] = lambda scores: None,
    ) -> list[float]:
        """One value an assignment; those scored in an earlier run are not scored again.

        ``seen`` is called with the values so far, whenever there is one more.
        """
        scores: list[float] = []
        for number, assignment in enumerate(assignments):
            scores.append(
                self._context.store.remembered(
                    f"val {assignment.hash}", partial(self._one, assignment)
                )
            )
            seen(scores)
            self._context.progress(
                stage, (number + 1) / len(assignments), f"mix {number + 1} of {len(assignments)}"
            )
        return scores

    @cached_property
    def _inputs(self) -> Inputs:
        context = self._context
        known = dict.fromkeys([*context.settings.activations, *context.original.activations])
        return Inputs(
            images=context.split("train").images,
            split=context.split("val"),
            names=context.names,
            trained=tuple(known) if context.spec.recipe == "supernet" else (),
        )

    def _one(self, assignment: Assignment) -> float:
        (score,) = self._estimator.score(
            self._net,
            [assignment],
            self._inputs,
            seed=self._context.spec.seed,
            pause=self._context.services.pause_point,
        )
        return score


def _nwot(context: Context, table: CostTable) -> dict[str, Any]:
    """Minus the NWOT gain of every one-swap model (the paper's signal; the objective is ours)."""
    (folder,) = context.train_all([context.training("adapt")])
    net = context.model.net
    assert net is not None
    load_weights(net, folder)
    values = nwot_penalty(
        net,
        table,
        Inputs(images=context.split("train").images),
        seed=context.spec.seed,
        pause=context.services.pause_point,
        cache=ScoreCache(context.spec.out / "scores"),  # a search that is cut goes on from there
    )
    return _document(Nwot.name, Nwot.unit, table, values, images=NWOT_IMAGES)


def nwot_penalty(
    net: torch.nn.Module,
    table: CostTable,
    inputs: Inputs,
    *,
    seed: int,
    cache: ScoreCache,
    pause: Callable[[], None] = lambda: None,
) -> Matrix:
    """Minus the NWOT gain of every one-swap model of the table's baseline, under ``net``'s weights;
    0 where nothing is swapped."""
    original = table.baseline
    swaps = {
        (row, column): original.replace({site: name})
        for row, (site, own) in enumerate(original)
        for column, name in enumerate(table.activations)
        if name != own
    }
    scores = Nwot(batch=NWOT_IMAGES).score(
        net, [original, *swaps.values()], inputs, seed=seed, pause=pause, cache=cache
    )
    values = np.zeros(table.ms.shape)
    for place, score in zip(swaps, scores[1:], strict=True):
        values[place] = scores[0] - score
    return values


def _document(
    name: str, unit: str, table: CostTable, values: Matrix, **details: Any
) -> dict[str, Any]:
    return {
        "estimator": name,
        "unit": unit,
        "higher_is_better": False,
        "activations": list(table.activations),
        "penalty": [[float(x) if np.isfinite(x) else None for x in row] for row in values],
        "details": details,
    }
