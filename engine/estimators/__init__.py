"""Estimators: an accuracy signal for an assignment without training it, one file each.

>>> estimator = estimators.get("nwot")(batch=32)
>>> estimator.score(net, [original, mix], Inputs(images=images), seed=0)

Every estimator passes the conformance suite in tests/engine/estimators. How well each one ranks is
compared by engine/estimators/bakeoff.py.
"""

from __future__ import annotations

from engine.errors import BadSearch
from engine.estimators.base import Estimator, Inputs
from engine.estimators.batchnorm_loss import BatchnormLoss
from engine.estimators.batchnorm_map import BatchnormMap
from engine.estimators.cache import ScoreCache
from engine.estimators.distortion import Distortion
from engine.estimators.grad_norm import GradNorm
from engine.estimators.jacob_cov import JacobCov
from engine.estimators.nwot import Nwot
from engine.estimators.random_control import RandomControl
from engine.estimators.sensitivity import Sensitivity
from engine.estimators.supernet_map import SupernetMap
from engine.estimators.synflow import Synflow
from engine.estimators.taylor_first import TaylorFirst
from engine.estimators.taylor_second import TaylorSecond

__all__ = ["ESTIMATORS", "Estimator", "Inputs", "ScoreCache", "get"]

ESTIMATORS: dict[str, type[Estimator]] = {
    kind.name: kind
    for kind in (
        Nwot,
        GradNorm,
        JacobCov,
        Synflow,
        Distortion,
        BatchnormLoss,
        BatchnormMap,
        TaylorFirst,
        TaylorSecond,
        Sensitivity,
        SupernetMap,
        RandomControl,
    )
}


def get(name: str) -> type[Estimator]:
    """The estimator called ``name``; call it with its settings.

    Raises:
        BadSearch: there is none; the message lists those that exist.
    """
    try:
        return ESTIMATORS[name]
    except KeyError:
        raise BadSearch(f"unknown estimator {name!r}; known: {', '.join(ESTIMATORS)}") from None
