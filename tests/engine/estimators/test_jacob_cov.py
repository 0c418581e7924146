from __future__ import annotations

import math

import numpy as np
import pytest

from engine.estimators.jacob_cov import K, of_jacobian


def test_rows_without_correlation_have_the_best_score() -> None:
    rows = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=float)
    best = -3 * (math.log(1 + K) + 1 / (1 + K))
    assert of_jacobian(rows) == pytest.approx(best, rel=1e-9)
    assert of_jacobian(7 * rows) == pytest.approx(best, rel=1e-9)  # it has no scale


def test_correlation_costs_as_the_eigenvalues_say() -> None:
    half = np.array([[1, 1, -1, -1], [1, 1, -1, -1], [1, -1, 1, -1]], dtype=float)
    half[1] = half[0] + math.sqrt(3) * half[2]  # correlation 1/2 with the first, the rest with it
    corr = np.corrcoef(half)
    assert corr[0, 1] == pytest.approx(0.5)
    two = half[:2]
    expected = -sum(math.log(v + K) + 1 / (v + K) for v in (0.5, 1.5))
    assert of_jacobian(two) == pytest.approx(expected, rel=1e-9)
    assert of_jacobian(two) < -2 * (math.log(1 + K) + 1 / (1 + K))
