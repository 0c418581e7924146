"""Cost table from profiles, corrected by mixes that are measured until its error is known.

Use it where a table's error must be stated: every batch of mixes is predicted before it is
measured, so that the error is that of mixes the table had not seen. Then the batch joins the fit.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from engine.costs import arms, mixes, neighbours, uniform_profile
from engine.costs.agreement import Agreement, agreement
from engine.costs.filling import Setup
from engine.costs.refit import Composed, Refit, refit
from engine.costs.table import CostTable

SOURCE = "combined"
BATCH = 8
ROUNDS = 4  # the first is for the fit alone
KNOWN = 0.002  # half-width of the mean absolute error's interval, as a ratio, that is sure enough


def fill(setup: Setup) -> CostTable:
    """The profile table, refitted to up to ROUNDS x BATCH random mixes.

    It stops after the second round or later, once the 95 % interval of the held-out error reaches
    no further than KNOWN to either side. ``details`` states

    - ``held_out``: mean absolute error, its half-width, Spearman and ``n``, over all mixes of the
      second and later rounds, each predicted by the table as it was before it was measured (the
      final table, which has seen them too, is rather better). Where there are not mixes enough for
      two rounds they are those of leave-one-out fits; None below three mixes;
    - ``profiles_alone``: the same of the profiles, over the same mixes;
    - ``noise_floor`` and ``within_noise``: what the original measured twice differs by, and one
      sentence where no mix differs more;
    - ``neighbours``: effects of neighbouring sites that the additive table leaves over.

    Raises:
        EngineError: the device did not answer what was asked.
    """
    profiled, noise_floor = _profiles(setup)
    table, fitted = profiled, None
    composed: list[Composed] = []
    guesses: list[float] = []
    seconds = float(profiled.details["seconds"])
    for number in range(1, ROUNDS + 1):
        batch, spent = _measure(setup, composed, number)
        if number > 1:
            guesses += [table.predict_ratio(one.assignment) for one in batch]
        composed += batch
        seconds += spent
        if len(composed) < 3:
            break
        fitted = refit(profiled, composed)
        table = fitted.table
        known = guesses and _agreement(guesses, composed).half_width <= KNOWN
        if known or len(batch) < BATCH:
            break
    return replace(
        table,
        source=SOURCE,
        details={
            **table.details,
            **_errors(profiled, fitted, composed, guesses),
            "noise_floor": noise_floor,
            "within_noise": table.within_noise(noise_floor),
            "neighbours": _neighbours(setup, fitted, composed),
            "mixes": len(composed),
            "seconds": seconds,
        },
    )


def _profiles(setup: Setup) -> tuple[CostTable, float]:
    """The profile table, and the noise floor: the device's, else that of its A/A pair."""
    named = uniform_profile.assignments(setup.original, setup.activations)
    named[arms.AGAIN] = setup.original
    result = setup.run("cost-profiles", named, profile=True)
    table = uniform_profile.table(result, original=setup.original, activations=setup.activations)
    if result.noise is not None:
        return table, result.noise.floor
    return table, abs(arms.find(result, arms.AGAIN).ratio - 1.0)


def _measure(setup: Setup, composed: list[Composed], number: int) -> tuple[list[Composed], float]:
    """A batch of mixes not measured yet, measured in one job, and the seconds that it took."""
    known = frozenset(one.assignment for one in composed)
    batch = mixes.draw(
        setup.original, setup.activations, BATCH, seed=1000 * setup.seed + number, known=known
    )
    if not batch:
        return [], 0.0
    named = {arms.BASELINE: setup.original, **{f"mix {mix.hash}": mix for mix in batch}}
    result = setup.run(f"cost-mixes-{number}", named, profile=False)
    measured = [
        Composed(mix, arm.ratio, arm.ratio_interval.low, arm.ratio_interval.high)
        for mix in batch
        for arm in [arms.find(result, f"mix {mix.hash}")]
    ]
    return measured, result.provenance.seconds


def _agreement(guesses: list[float], composed: list[Composed]) -> Agreement:
    """Of the mixes that were measured last, one a guess."""
    return agreement(guesses, [one.ratio for one in composed[-len(guesses) :]])


def _errors(
    profiled: CostTable, fitted: Refit | None, composed: list[Composed], guesses: list[float]
) -> dict[str, Any]:
    if fitted is None:
        return {"held_out": None, "held_out_by": None, "profiles_alone": None}
    last = composed[-len(guesses) :] if guesses else composed
    alone = _agreement([profiled.predict_ratio(one.assignment) for one in last], composed)
    found = _agreement(guesses, composed) if guesses else fitted.held_out
    return {
        "held_out": found.to_json(),
        "held_out_by": "mixes measured after the fit" if guesses else "leave-one-out",
        "profiles_alone": alone.to_json(),
    }


def _neighbours(
    setup: Setup, fitted: Refit | None, composed: list[Composed]
) -> list[dict[str, Any]]:
    if fitted is None:
        return []
    sites = setup.original.sites
    pairs = tuple(itertools.pairwise(sites)) if setup.pairs is None else setup.pairs
    left_over = [residual.before for residual in fitted.residuals]
    return [effect.to_json() for effect in neighbours.effects(composed, left_over, pairs)]
