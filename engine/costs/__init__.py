"""Ways to fill a cost table, one file a way, and the rule that picks one."""

from __future__ import annotations

from types import ModuleType

from devices.targets import Target
from engine.costs import one_at_a_time, uniform_profile
from engine.costs.refit import Composed, Refit, refit
from engine.costs.table import CostTable

__all__ = ["Composed", "CostTable", "Refit", "choose", "one_at_a_time", "refit", "uniform_profile"]

MODEL_SECONDS = 0.7  # emit and compile one model for a cost-model target
BUDGET_SECONDS = 150.0


def choose(target: Target, *, sites: int, activations: int, recipe: str) -> ModuleType:
    """The way to fill the table of ``target``: a module with ``job`` and ``table``.

    - recipe `paper`: one-swap models, always, because that is what the paper does;
    - a modelled target: one-swap models while they compile within 150 s (their deltas are exact,
      see neighbours' effects and carry memory), else the profiles of the uniform models, which
      are exact too but see no neighbours' effects and no memory;
    - a measured target: profiles, because a single swap drowns in noise.
    """
    if recipe == "paper":
        return one_at_a_time
    seconds = sites * (activations - 1) * MODEL_SECONDS
    if target.kind == "modelled" and seconds <= BUDGET_SECONDS:
        return one_at_a_time
    return uniform_profile
