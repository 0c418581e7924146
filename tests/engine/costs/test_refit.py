from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from devices.assignment import Assignment
from engine.costs import Composed, CostTable, refit
from engine.errors import EngineError
from tests.engine.solvers import problems


def mixes(table: CostTable, n: int, seed: int) -> list[Assignment]:
    rng = np.random.default_rng(seed)
    shape = (n, len(table.sites))
    return [table.assignment(row) for row in rng.integers(0, len(table.activations), size=shape)]


def measure(
    truth: CostTable, assignments: list[Assignment], *, noise: float = 0.0, seed: int = 0
) -> list[Composed]:
    rng = np.random.default_rng(seed)
    found = []
    for assignment in assignments:
        ratio = (
            truth.predict_ratio(assignment) + rng.normal(0, noise)
            if noise
            else (truth.predict_ratio(assignment))
        )
        found.append(Composed(assignment, ratio, ratio - 2 * noise, ratio + 2 * noise))
    return found


def biased(table: CostTable) -> CostTable:
    """The truth behind ``table``: ReLU saves a third less than the table says."""
    ms = table.ms.copy()
    ms[:, 1] = ms[:, 0] + 0.67 * (ms[:, 1] - ms[:, 0])
    return replace(table, ms=ms)


def test_it_learns_a_wrong_level_and_predicts_unseen_mixes_better() -> None:
    table = problems.table(sites=40, activations=4, seed=3)
    truth = biased(table)
    fitted = refit(table, measure(truth, mixes(table, 12, 0), noise=0.002))
    unseen = mixes(table, 50, 9)

    def error(guess: CostTable) -> float:
        off = [guess.predict_ratio(m) - truth.predict_ratio(m) for m in unseen]
        return float(np.sqrt(np.mean(np.square(off))))

    assert fitted.strength[0] > 0
    assert error(fitted.table) < 0.4 * error(table)
    assert fitted.error_after < fitted.error_before
    assert fitted.error_held_out < fitted.error_before
    assert fitted.table.source == "random+refit"


def test_the_baseline_does_not_move() -> None:
    table = problems.table(sites=10, activations=3)
    fitted = refit(table, measure(biased(table), mixes(table, 8, 1), noise=0.001))
    assert fitted.table.predict(table.baseline) == pytest.approx(table.predict(table.baseline))


def test_noise_alone_changes_next_to_nothing() -> None:
    table = problems.table(sites=30, activations=4)
    fitted = refit(table, measure(table, mixes(table, 10, 2), noise=0.01))
    for mix in mixes(table, 20, 5):
        assert fitted.table.predict_ratio(mix) == pytest.approx(table.predict_ratio(mix), abs=0.01)


def test_held_out_residuals_are_those_of_fits_without_the_candidate() -> None:
    table = problems.table(sites=12, activations=3)
    composed = measure(biased(table), mixes(table, 7, 4), noise=0.002)
    fitted = refit(table, composed, strengths=[(1.0, 1.0)])
    assert [r.assignment for r in fitted.residuals] == [c.assignment.hash for c in composed]
    without = refit(table, composed[1:], strengths=[(1.0, 1.0)])
    expected = composed[0].ratio - without.table.predict_ratio(composed[0].assignment)
    assert fitted.residuals[0].held_out == pytest.approx(expected, abs=1e-9)
    assert fitted.residuals[0].before == pytest.approx(
        composed[0].ratio - table.predict_ratio(composed[0].assignment)
    )


def test_a_wide_interval_counts_less() -> None:
    table = problems.table(sites=10, activations=3)
    good = measure(table, mixes(table, 6, 0))
    odd = mixes(table, 1, 77)[0]
    ratio = table.predict_ratio(odd) + 0.2
    sharp = refit(table, [*good, Composed(odd, ratio, ratio - 0.001, ratio + 0.001)])
    blurred = refit(table, [*good, Composed(odd, ratio, ratio - 0.3, ratio + 0.3)])
    before = table.predict_ratio(odd)
    assert abs(blurred.table.predict_ratio(odd) - before) < 0.01
    assert abs(sharp.table.predict_ratio(good[0].assignment) - good[0].ratio) < 0.1


def test_unknown_pairs_stay_unknown() -> None:
    table = problems.table(sites=6, activations=3)
    composed = measure(biased(table), mixes(table, 6, 0), noise=0.001)
    table.ms[2, 2] = np.nan
    kept = [c for c in composed if c.assignment["model.2.act"] != "hardswish"]
    assert np.isnan(refit(table, kept).table.ms[2, 2])


def test_too_few_measurements_are_refused() -> None:
    table = problems.table(sites=4)
    with pytest.raises(EngineError, match="2 measured mixes; at least 3"):
        refit(table, measure(table, mixes(table, 2, 0)))
