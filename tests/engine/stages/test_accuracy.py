from __future__ import annotations

import numpy as np

from devices.assignment import Assignment
from engine.costs import CostTable
from engine.stages.accuracy import never_free, val_estimator

SITES = ("a", "b", "c")
TABLE = CostTable(
    sites=SITES,
    activations=("relu", "silu"),
    ms=np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]),
    rest_ms=10.0,
    baseline=Assignment.uniform(SITES, "silu"),
    kind="measured",
    source="test",
)


def test_no_swap_gains_accuracy_and_none_is_free() -> None:
    raw = np.array([[-0.5, 0.0], [0.02, 0.0], [0.01, 0.0]])
    believed = never_free(raw, TABLE)
    np.testing.assert_allclose(believed[:, 1], 0.0)  # the original stays free
    np.testing.assert_allclose(believed[:, 0], [0.02, 0.04, 0.03])  # median size: 0.02


def test_what_is_not_known_stays_unknown() -> None:
    raw = np.array([[np.nan, 0.0], [0.02, 0.0], [0.01, 0.0]])
    assert np.isnan(never_free(raw, TABLE)[0, 0])


def test_mixes_are_scored_by_the_weights_that_the_recipe_trains() -> None:
    assert val_estimator("supernet").name == "supernet_map"
    assert "supernet" in val_estimator("supernet").needs  # so what was trained is checked
    assert val_estimator("paper").name == "batchnorm_map"
