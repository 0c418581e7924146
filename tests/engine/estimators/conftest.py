"""What the tests of estimators share: small images of the real detector's own data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from devices.assignment import Assignment
from engine import sites
from engine.data import DataSet
from engine.estimators import Inputs
from tests.engine.models import WithNet

SIDE = 64


@pytest.fixture(scope="package")
def original(abd: WithNet) -> Assignment:
    """What the real checkpoint runs: SiLU at 57 sites."""
    return sites.original(abd.net, SIDE)


@pytest.fixture(scope="package")
def mixes(original: Assignment) -> Sequence[Assignment]:
    """The original, three swaps, one swap."""
    return [
        original,
        original.replace(dict.fromkeys(original.sites[:30:10], "relu")),
        original.replace({original.sites[0]: "relu"}),
    ]


@pytest.fixture(scope="package")
def inputs(abd: WithNet, drawings: DataSet) -> Inputs:
    """12 images, 8 labelled ones, as if the weights were those of a supernet."""
    return Inputs(
        images=drawings.arrays("train", SIDE, limit=12).images,
        split=drawings.arrays("val", SIDE, limit=8),
        names=abd.names,
        trained=("silu", "relu"),
    )
